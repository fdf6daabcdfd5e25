import fc from 'fast-check';
import { base64url } from 'jose';
import { expect, it } from 'vitest';
import { forAll } from '../test/property.ts';
import { expecting, headerOf, makeSigner, PAYLOAD, segments, signTicket, verdict } from '../test/tickets.ts';
import { isCanonicalCompact } from './own-jws.ts';

/** A ticket is accepted as it was signed, and in no other form. */

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const signer = await makeSigner('ES256');
const edwards = await makeSigner('Ed25519');
const expected = expecting([signer, edwards]);
const tickets = await Promise.all(
  [signer, edwards].map(async (each) => ({ text: await signTicket(each), header: headerOf(each) })),
);
const ticket = fc.constantFrom(...tickets);

it('the tickets of these properties are good ones', async () => {
  for (const { text } of tickets) expect(await verdict(text, expected)).toBe('accepted');
});

it('with any part replaced, removed, inserted, repeated or moved it is refused', () => {
  const edit = fc.record({
    ticket,
    from: fc.nat(),
    length: fc.oneof(fc.constantFrom(0, 1), fc.nat(40)),
    put: fc.oneof(
      fc.string({ unit: fc.constantFrom(...ALPHABET, '.', '='), maxLength: 4 }),
      fc.string({ unit: 'binary', maxLength: 4 }),
    ),
    repeated: fc.boolean(),
  });
  return forAll(edit, async ({ ticket: { text }, from, length, put, repeated }) => {
    const at = from % (text.length + 1);
    const taken = text.slice(at, at + length);
    const changed = text.slice(0, at) + (repeated ? taken + taken : '') + put + text.slice(at + length);
    return changed === text || (await verdict(changed, expected)) !== 'accepted';
  });
});

it('with another claim or member of the header under the same signature it is refused', () => {
  const member = fc.record({
    ticket,
    inHeader: fc.boolean(),
    name: fc.oneof(fc.constantFrom(...Object.keys(PAYLOAD), 'alg', 'typ', 'kid', 'crit', 'jwk'), fc.string()),
    value: fc.jsonValue(),
  });
  return forAll(member, async ({ ticket: { text, header }, inHeader, name, value }) => {
    const [head, payload, signature] = segments(text);
    const encoded = (members: object) => base64url.encode(JSON.stringify({ ...members, [name]: value }));
    const changed = inHeader
      ? `${encoded(header)}.${payload}.${signature}`
      : `${head}.${encoded(PAYLOAD)}.${signature}`;
    return changed === text || (await verdict(changed, expected)) !== 'accepted';
  });
});

it('signed over any other claims than those of a ticket it is refused', () =>
  forAll(fc.dictionary(fc.string(), fc.jsonValue()), async (claims) => {
    const unknown = Object.keys(claims).some((name) => !Object.hasOwn(PAYLOAD, name));
    return !unknown || (await verdict(await signTicket(signer, claims), expected)) !== 'accepted';
  }));

it('of the spellings of some bytes exactly that of the encoder is canonical', () =>
  forAll(fc.uint8Array({ minLength: 1, maxLength: 65 }), (bytes) => {
    const text = base64url.encode(bytes);
    const same = [...ALPHABET]
      .map((last) => text.slice(0, -1) + last)
      .filter((other) => base64url.decode(other).join() === bytes.join());
    expect(same.filter((other) => isCanonicalCompact(`e30.e30.${other}`))).toEqual([text]);
    expect(same.filter((other) => isCanonicalCompact(`${other}.e30.e30`))).toEqual([text]);
  }));
