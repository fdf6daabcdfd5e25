import { createHash as ofNode } from 'node:crypto';
import { expect, it } from 'vitest';
import { createHash } from './node-crypto.ts';

it.each([[''], ['event'], ['ä€𝄞'], ['x'.repeat(10_000)]])(
  'the hash of a page is that of Node: %j',
  (text) => {
    const head = new Uint8Array(32).fill(7);
    const hash = (create: typeof createHash): string =>
      create('sha256').update(head).update(text, 'utf8').digest('base64url');
    expect(hash(createHash)).toBe(hash(ofNode));
  },
);
