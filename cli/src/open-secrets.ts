import { createHmac, randomBytes, randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { makeSecret, makeTokenId } from '@agent-ticket/broker/src/credentials/secret.ts';
import * as z from 'zod';
import { hasCode } from './error-code.ts';

/** `id` and `clientId` are the same: a service token has one name. */
const Credential = z.strictObject({ id: z.string(), clientId: z.string(), clientSecret: z.string() });
export type SeededCredential = z.infer<typeof Credential>;

const DevSecrets = z.strictObject({
  keyEncryptionKey: z.string(),
  tokenPepper: z.string(),
  serviceToken: Credential,
  adminToken: Credential,
});

/** Secrets without which a later start could not read the data of a development stack. */
export type DevSecrets = z.infer<typeof DevSecrets>;

const bytes = (length: number): Uint8Array => new Uint8Array(randomBytes(length));
const key = (): string => randomBytes(32).toString('base64url');
function credential(): SeededCredential {
  const id = makeTokenId(bytes);
  return { id, clientId: id, clientSecret: makeSecret(id, bytes) };
}

export const makeSecrets = (): DevSecrets => ({
  keyEncryptionKey: key(),
  tokenPepper: key(),
  serviceToken: credential(),
  adminToken: credential(),
});

/** The `CALLBACK_KEY` of a development stack. Derived, so that one with stored secrets has it, too. */
export const callbackKeyOf = ({ keyEncryptionKey }: Pick<DevSecrets, 'keyEncryptionKey'>): string =>
  createHmac('sha256', keyEncryptionKey).update('CALLBACK_KEY').digest('base64url');

/**
 * Reads the secrets of an earlier start, or makes and stores them, readable by the owner only. Concurrent starts get the
 * same secrets. Refuses to make new ones for a `stateDir` that was sealed with others; left out: that is not looked for.
 */
export async function loadSecrets(file: string, stateDir?: string): Promise<DevSecrets> {
  const stored = await readSecrets(file);
  if (stored !== undefined) return stored;
  if (stateDir !== undefined && existsSync(stateDir))
    throw new Error(`${file} is gone, and nothing else opens ${stateDir}: delete that too to start anew`);
  await createOnce(file, `${JSON.stringify(makeSecrets(), null, 2)}\n`);
  const made = await readSecrets(file);
  if (made === undefined) throw new Error(`${file} was deleted while it was being made`);
  return made;
}

async function readSecrets(file: string): Promise<DevSecrets | undefined> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  try {
    return DevSecrets.parse(JSON.parse(text));
  } catch {
    // Without a cause: parse errors quote their input, which contains secrets.
    throw new Error(`${file} is damaged: delete ${dirname(file)} to start anew`);
  }
}

/** Creates a file with its whole content, unless the file exists. */
async function createOnce(file: string, text: string): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const unfinished = `${file}.${randomUUID()}.new`;
  await writeFile(unfinished, text, { mode: 0o600 });
  try {
    await link(unfinished, file);
  } catch (error) {
    if (!hasCode(error, 'EEXIST')) throw error;
  } finally {
    await rm(unfinished);
  }
}
