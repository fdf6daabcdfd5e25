import { base64url } from 'jose';
import { describe, expect, it } from 'vitest';
import { expecting, makeSigner, NOW, segments, signTicket, verdict } from '../test/tickets.ts';
import { verifyTicket } from './verify-ticket.ts';

/** The order of P-256 (SEC 2 §2.4.2) and of edwards25519 (RFC 8032 §5.1). */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const ED25519_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

const signer = await makeSigner('ES256');
const edwards = await makeSigner('Ed25519');
const expected = expecting([signer, edwards]);
const token = await signTicket(signer);
const [header, payload, signature] = segments(token);
const bytes = base64url.decode(signature);

const toInteger = (part: Uint8Array): bigint =>
  part.reduce((value, byte) => (value << 8n) | BigInt(byte), 0n);
const toBytes = (value: bigint): Uint8Array =>
  Uint8Array.from({ length: 32 }, (_, index) => Number((value >> BigInt(8 * (31 - index))) & 0xffn));
const both = (first: Uint8Array, second: Uint8Array): Uint8Array => Uint8Array.from([...first, ...second]);
const withSignature = (raw: Uint8Array): string => `${header}.${payload}.${base64url.encode(raw)}`;

describe('an ECDSA signature', () => {
  const edges: [string, bigint][] = [
    ['0', 0n],
    ['1', 1n],
    ['n - 1', P256_ORDER - 1n],
    ['n', P256_ORDER],
    ['n + 1', P256_ORDER + 1n],
    ['2^256 - 1', 2n ** 256n - 1n],
  ];
  const pairs = edges.flatMap(([rName, r]) => edges.map(([sName, s]) => [rName, sName, r, s] as const));
  it.each(pairs)('of r = %s and s = %s is refused', async (_r, _s, r, s) => {
    expect(await verdict(withSignature(both(toBytes(r), toBytes(s))), expected)).toBe(
      'ticket_signature_invalid',
    );
  });

  it.each([
    ['with its own r and s = 0', both(bytes.slice(0, 32), toBytes(0n))],
    ['with r = 0 and its own s', both(toBytes(0n), bytes.slice(32))],
    ['with r and s swapped', both(bytes.slice(32), bytes.slice(0, 32))],
    ['with s + n', both(bytes.slice(0, 32), toBytes((toInteger(bytes.slice(32)) + P256_ORDER) % 2n ** 256n))],
    ['of 63 bytes', bytes.slice(1)],
    ['of 65 bytes', Uint8Array.from([...bytes, 0])],
    ['of 65 bytes with a leading zero', Uint8Array.from([0, ...bytes])],
    ['of 32 bytes', bytes.slice(0, 32)],
    ['of one byte', Uint8Array.from([0])],
    ['of 96 bytes', Uint8Array.from([...bytes, ...bytes.slice(0, 32)])],
    ['in reverse', bytes.toReversed()],
  ])('%s is refused', async (_name, raw) => {
    expect(await verdict(withSignature(raw), expected)).toBe('ticket_signature_invalid');
  });

  it('in DER is refused', async () => {
    const integer = (part: Uint8Array) => {
      const digits = [...part.slice(part.findIndex((byte) => byte !== 0))];
      const unsigned = (digits[0] ?? 0) > 127 ? [0, ...digits] : digits;
      return [0x02, unsigned.length, ...unsigned];
    };
    const body = [...integer(bytes.slice(0, 32)), ...integer(bytes.slice(32))];
    const der = Uint8Array.from([0x30, body.length, ...body]);
    expect(await verdict(withSignature(der), expected)).toBe('ticket_signature_invalid');
  });

  it('of another ticket of the same key is refused', async () => {
    const other = segments(await signTicket(signer, { exp: NOW + 61 }))[2];
    expect(await verdict(`${header}.${payload}.${other}`, expected)).toBe('ticket_signature_invalid');
  });

  it('has a twin (r, n - s) that anybody can compute, which is why a ticket is named by its jti', async () => {
    const twin = withSignature(both(bytes.slice(0, 32), toBytes(P256_ORDER - toInteger(bytes.slice(32)))));
    expect(twin).not.toBe(token);
    expect(await verifyTicket(twin, expected)).toEqual(await verifyTicket(token, expected));
  });
});

describe('an Ed25519 signature', async () => {
  const good = await signTicket(edwards);
  const [start, middle, end] = segments(good);
  const raw = base64url.decode(end);
  const little = (part: Uint8Array) => toInteger(part.toReversed());

  it('has no twin: S + L is refused (RFC 8032 §5.1.7)', async () => {
    const scalar = toBytes(little(raw.slice(32)) + ED25519_ORDER).toReversed();
    const twin = `${start}.${middle}.${base64url.encode(both(raw.slice(0, 32), scalar))}`;
    expect(await verdict(good, expected)).toBe('accepted');
    expect(await verdict(twin, expected)).toBe('ticket_signature_invalid');
  });

  it.each([
    ['of zeroes', new Uint8Array(64)],
    ['of 63 bytes', raw.slice(1)],
    ['of 65 bytes', Uint8Array.from([...raw, 0])],
    ['with its halves swapped', both(raw.slice(32), raw.slice(0, 32))],
    ['of another key type', bytes],
  ])('%s is refused', async (_name, forged) => {
    const text = `${start}.${middle}.${base64url.encode(forged)}`;
    expect(await verdict(text, expected)).toBe('ticket_signature_invalid');
  });
});
