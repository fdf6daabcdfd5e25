import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  expecting,
  headerOf,
  makeSigner,
  PAYLOAD,
  signBytes,
  signPayload,
  verdict,
} from '../test/tickets.ts';
import { findVectors } from '../test/vectors.ts';
import { readKeySet } from './key-set.ts';
import { readStrictJson } from './strict-json.ts';

const vectors = findVectors(process.env, import.meta.url, existsSync);
const folder = new URL('json-test-suite/test_parsing/', vectors ?? import.meta.url);
const files = (vectors === undefined ? [] : readdirSync(folder))
  .filter((name) => /^[yni]_.*\.json$/.test(name))
  .map((name) => ({
    name,
    label: name.charAt(0),
    bytes: Uint8Array.from(readFileSync(new URL(encodeURIComponent(name), folder))),
  }));
const labelled = (label: string) => files.filter((file) => file.label === label);
const namesOf = (some: { name: string }[]) => some.map(({ name }) => name);

const signer = await makeSigner('Ed25519');
const gate = expecting([signer]);
const utf8 = (text: string) => new TextEncoder().encode(text);

describe.skipIf(vectors === undefined)('the JSON test suite', () => {
  it('has 95 texts that are JSON, 188 that are not and 35 that may be', () => {
    expect(['y', 'n', 'i'].map((label) => labelled(label).length)).toEqual([95, 188, 35]);
    console.info(
      'JSONTestSuite: 318 texts, each as JSON, as payload, header and claim of a ticket, as a key set',
    );
  });

  it('every text that is JSON is read', () => {
    const unread = labelled('y').filter(({ bytes }) => readStrictJson(bytes) === undefined);
    expect(namesOf(unread)).toEqual([]);
  });

  it('no text that is not JSON is read', () => {
    const read = labelled('n').filter(({ bytes }) => readStrictJson(bytes) !== undefined);
    expect(namesOf(read)).toEqual([]);
  });

  it('of the others those in strict UTF-8 are read, and none throws', () => {
    const read = labelled('i').filter(({ bytes }) => readStrictJson(bytes) !== undefined);
    expect(namesOf(read).every((name) => /number|surrogate|nested|pair|escape/i.test(name))).toBe(true);
    expect(namesOf(read).some((name) => /BOM|UTF-16|UTF16|overlong|utf-8/i.test(name))).toBe(false);
  });

  it('none is the payload of a ticket, signed as it may be', async () => {
    const verdicts = await Promise.all(
      files.map(async ({ bytes }) => verdict(await signPayload(signer, bytes), gate)),
    );
    expect(verdicts).toHaveLength(318);
    expect(new Set(verdicts)).toEqual(new Set(['ticket_claims_invalid', 'ticket_malformed']));
  });

  it('none is the header of a ticket', async () => {
    const texts = files.map(({ bytes }) => new TextDecoder().decode(bytes));
    const verdicts = await Promise.all(
      texts.map(async (text) => verdict(await signBytes(signer, text, JSON.stringify(PAYLOAD)), gate)),
    );
    expect(new Set(verdicts)).toEqual(new Set(['ticket_header_invalid', 'ticket_malformed']));
  });

  it('none is a further claim or a further header member', async () => {
    const inside = (object: object, bytes: Uint8Array) =>
      Uint8Array.from([...utf8(`${JSON.stringify(object).slice(0, -1)},"x":`), ...bytes, ...utf8('}')]);
    const verdicts = await Promise.all(
      files.flatMap(({ bytes }) => [
        signPayload(signer, inside(PAYLOAD, bytes)).then((token) => verdict(token, gate)),
        signBytes(
          signer,
          new TextDecoder().decode(inside(headerOf(signer), bytes)),
          JSON.stringify(PAYLOAD),
        ).then((token) => verdict(token, gate)),
      ]),
    );
    expect(verdicts).not.toContain('accepted');
  });

  it('none is a key set, a list of keys or a key beside a good one that harms it', async () => {
    for (const { bytes } of files) {
      const list = Uint8Array.from([...utf8('{"keys":'), ...bytes, ...utf8('}')]);
      const beside = Uint8Array.from([
        ...utf8(`{"keys":[${JSON.stringify(signer.jwk)},`),
        ...bytes,
        ...utf8(']}'),
      ]);
      expect(await readKeySet(bytes, ['ES256', 'Ed25519', 'RS256'])).toBeUndefined();
      expect(await readKeySet(list, ['ES256', 'Ed25519', 'RS256'])).toBeUndefined();
      const kept = await readKeySet(beside, ['Ed25519']);
      expect([undefined, 1]).toContain(kept?.size);
    }
  });
});
