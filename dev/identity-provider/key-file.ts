import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as z from 'zod';
import { hasCode } from '../error-code.ts';
import { type RsaPrivateJwk, rsaPrivateJwk } from './signing-key.ts';

const keyFile = z.strictObject({ keys: z.tuple([rsaPrivateJwk, rsaPrivateJwk]) });

/** The two private keys kept at `path`, newest first; undefined when there is no such file. */
export function readKeyFile(path: string): [RsaPrivateJwk, RsaPrivateJwk] | undefined {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (hasCode(error, 'ENOENT')) return undefined;
    throw error;
  }
  try {
    return keyFile.parse(JSON.parse(text)).keys;
  } catch {
    // Without a cause: parse errors quote what they could not read, and this file holds private keys.
    throw new Error(`key file ${path} is damaged; delete it to start with new keys`);
  }
}

/** Replaces the file in one step, readable by its owner only. */
export function writeKeyFile(path: string, keys: readonly [RsaPrivateJwk, RsaPrivateJwk]): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  const unfinished = `${path}.${process.pid}.new`;
  writeFileSync(unfinished, JSON.stringify({ keys }), { mode: 0o600 });
  renameSync(unfinished, path);
}
