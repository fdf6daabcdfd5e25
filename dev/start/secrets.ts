import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeSecret, randomBase62 } from '@agent-ticket/broker/src/credentials/secret.ts';
import * as z from 'zod';

const Credential = z.strictObject({ id: z.uuid(), clientId: z.string(), clientSecret: z.string() });
export type SeededCredential = z.infer<typeof Credential>;

const DevSecrets = z.strictObject({
  keyEncryptionKey: z.string(),
  tokenPepper: z.string(),
  serviceToken: Credential,
  adminToken: Credential,
});

/** What a development stack must keep between starts, or its data could not be read again. */
export type DevSecrets = z.infer<typeof DevSecrets>;

const bytes = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
const key = (): string => randomBytes(32).toString('base64url');
const credential = (): SeededCredential => ({
  id: crypto.randomUUID(),
  clientId: `svc_${randomBase62(22, bytes)}`,
  clientSecret: makeSecret(bytes),
});

export const makeSecrets = (): DevSecrets => ({
  keyEncryptionKey: key(),
  tokenPepper: key(),
  serviceToken: credential(),
  adminToken: credential(),
});

/** Reads the secrets of an earlier start, or makes and keeps them. Readable by the owner only. */
export async function keepSecrets(file: string): Promise<DevSecrets> {
  try {
    return DevSecrets.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) {
      throw new Error(`${file} cannot be read; delete it together with the local data to start anew`, {
        cause: error,
      });
    }
  }
  const secrets = makeSecrets();
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, `${JSON.stringify(secrets, null, 2)}\n`, { mode: 0o600 });
  return secrets;
}
