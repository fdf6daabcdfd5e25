import { base64url, type CryptoKey, exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import { describe, expect, it, vi } from 'vitest';
import {
  AUDIENCE,
  expecting,
  headerOf,
  ISSUER,
  makeSigner,
  NOW,
  PAYLOAD,
  segments,
  signBytes,
  signTicket,
  verdict,
} from '../test/tickets.ts';
import type { DenialReason } from './denial.ts';
import { isNamedTicket } from './verify-ticket.ts';

const signer = await makeSigner('ES256');
const edwards = await makeSigner('Ed25519');
const findKey = vi.fn(expecting([signer, edwards]).findKey);
const expected = expecting([signer, edwards], { findKey });

/** The verdict on a ticket that is good but for some header members, and whether a key was asked for. */
async function judge(header: object | string): Promise<{ reason: string; lookups: number }> {
  findKey.mockClear();
  const text = typeof header === 'string' ? header : JSON.stringify({ ...headerOf(signer), ...header });
  const reason = await verdict(await signBytes(signer, text, JSON.stringify(PAYLOAD)), expected);
  return { reason, lookups: findKey.mock.calls.length };
}

const MEMBERS = JSON.stringify(headerOf(signer)).slice(1, -1);
const unread = { reason: 'ticket_header_invalid', lookups: 0 };

describe('alg', () => {
  it.each([
    ...[
      'none',
      'None',
      'NONE',
      'nOnE',
      'none ',
      '',
      'es256',
      'ES256 ',
      'ES256\0',
      'ES256K',
      'ES384',
      'ES512',
    ],
    ...['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'EdDSA', 'ed25519'],
    ...['Ed448', 'dir', 'A128KW', '\uff25S256', '__proto__', 'toString', undefined, null, 7, true, {}],
    ...[['ES256'], ['none', 'ES256']],
  ])('%j is refused before a key is looked for', async (alg) => {
    expect(await judge({ alg })).toEqual(unread);
  });

  it('the algorithm of another type of key is refused although it is one of ours', async () => {
    expect(await judge({ alg: 'Ed25519' })).toEqual({ reason: 'ticket_header_invalid', lookups: 1 });
    expect(await judge({ kid: edwards.kid })).toEqual({ reason: 'ticket_header_invalid', lookups: 1 });
  });

  it('the last of two is the one that counts, in every reader on the path', async () => {
    expect(await judge(`{${MEMBERS},"alg":"none"}`)).toEqual(unread);
    expect(await judge(`{"alg":"none",${MEMBERS}}`)).toEqual({ reason: 'accepted', lookups: 1 });
  });
});

describe('a public key used as an HMAC secret', async () => {
  const pem = await exportSPKI(signer.publicKey);
  const der = new Uint8Array(await crypto.subtle.exportKey('spki', signer.publicKey));
  const raw = new Uint8Array(await crypto.subtle.exportKey('raw', signer.publicKey));
  const secrets: [string, string | Uint8Array<ArrayBuffer>][] = [
    ['PEM', pem],
    ['PEM without its last line feed', pem.trimEnd()],
    ['PEM after a space', ` ${pem}`],
    ['PEM after a byte order mark', `\ufeff${pem}`],
    ['PEM after a comment', `# key\n${pem}`],
    ['JWK', JSON.stringify(signer.jwk)],
    ['bare JWK', JSON.stringify(await exportJWK(signer.publicKey))],
    ['DER', der],
    ['raw point', raw],
    ['empty', '\0'],
  ];

  it.each(secrets)('%s opens nothing, under HS256 or under ES256', async (_name, secret) => {
    const bytes = typeof secret === 'string' ? new TextEncoder().encode(secret) : secret;
    const hmac = { name: 'HMAC', hash: 'SHA-256' };
    const key = await crypto.subtle.importKey('raw', bytes, hmac, false, ['sign']);
    const forge = async (alg: string) => {
      const header = base64url.encode(JSON.stringify({ ...headerOf(signer), alg }));
      const input = `${header}.${base64url.encode(JSON.stringify(PAYLOAD))}`;
      const mac = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(input));
      return `${input}.${base64url.encode(new Uint8Array(mac))}`;
    };
    expect(await verdict(await forge('HS256'), expected)).toBe('ticket_header_invalid');
    expect(await verdict(await forge('ES256'), expected)).toBe('ticket_signature_invalid');
  });
});

describe('kid', () => {
  it.each([
    ...[
      '../../../../dev/null',
      '/etc/passwd',
      "' OR 1=1 --",
      '$(id)',
      '| id',
      'https://evil.example/jwks.json',
    ],
    ...['__proto__', 'constructor', 'toString', '', ' ', '*', `${signer.kid} `, `${signer.kid}\0`],
    ...[
      `${signer.kid}=`,
      signer.kid.slice(1),
      `${signer.kid}A`,
      `\uff21${signer.kid.slice(1)}`,
      'x'.repeat(600),
    ],
    ...[undefined, null, 0, true, {}, { kid: signer.kid }, [signer.kid]],
  ])('%j is refused before a key is looked for', async (kid) => {
    expect(await judge({ kid })).toEqual(unread);
  });

  it('100 kB long is refused unread', async () => {
    expect(await judge({ kid: 'x'.repeat(100_000) })).toEqual({ reason: 'ticket_malformed', lookups: 0 });
  });

  it('the well-formed name of no key is unknown', async () => {
    expect(await judge({ kid: 'A'.repeat(43) })).toEqual({ reason: 'ticket_key_unknown', lookups: 1 });
  });

  it('in another case is another key', async () => {
    const swapped = signer.kid.replaceAll(/[a-z]/gi, (c) => (c < 'a' ? c.toLowerCase() : c.toUpperCase()));
    expect(await judge({ kid: swapped })).toEqual({ reason: 'ticket_key_unknown', lookups: 1 });
  });
});

describe('typ', () => {
  it.each([
    ...['JWT', 'jwt', 'at+jwt', 'agent-control+jwt', 'AGENT-TICKET+JWT', 'Agent-Ticket+jwt', 'agent-ticket'],
    ...[
      'application/agent-ticket+jwt',
      'agent-ticket+jwt ',
      'JOSE',
      '',
      undefined,
      null,
      1,
      ['agent-ticket+jwt'],
    ],
  ])('%j is refused: only we sign and read tickets, so there is one spelling', async (typ) => {
    expect(await judge({ typ })).toEqual(unread);
  });
});

describe('any other member', async () => {
  const own = await exportJWK(edwards.publicKey);
  it.each([
    ['a key of its own', { jwk: own }],
    ['the address of a key set', { jku: 'https://evil.example/jwks.json' }],
    ['the address of a certificate', { x5u: 'https://evil.example/cert.pem' }],
    ['a certificate', { x5c: ['MIIB'] }],
    ['a certificate’s thumbprint', { x5t: 'AAAA', 'x5t#S256': 'AAAA' }],
    ['crit with an unknown name', { crit: ['x'], x: 1 }],
    ['crit that is empty', { crit: [] }],
    ['crit that names one twice', { crit: ['b64', 'b64'], b64: true }],
    ['crit that names alg', { crit: ['alg'] }],
    ['crit that is no array', { crit: 'b64' }],
    ['b64 false without crit', { b64: false }],
    ['b64 false with crit', { b64: false, crit: ['b64'] }],
    ['b64 true', { b64: true }],
    ['zip', { zip: 'DEF' }],
    ['cty of a nested token', { cty: 'JWT' }],
    ['enc', { enc: 'A256GCM' }],
    ['a claim copied into the header', { iss: ISSUER }],
    ['null', { jwk: null }],
  ])('%s is refused, and nothing is fetched', async (_name, more) => {
    expect(await judge(more)).toEqual(unread);
  });
});

describe('a header that is not the one object', () => {
  it.each([
    ['an array', `[{${MEMBERS}}]`],
    ['a string', '"ES256"'],
    ['null', 'null'],
    ['an empty object', '{}'],
    ['no JSON', `{${MEMBERS}`],
    ['two objects', `{${MEMBERS}}{}`],
    ['a comment', `{${MEMBERS}/**/}`],
    ['a trailing comma', `{${MEMBERS},}`],
    ['a byte order mark', `\ufeff{${MEMBERS}}`],
    ['a __proto__ member', `{${MEMBERS},"__proto__":{}}`],
    ['only a __proto__ member', `{"__proto__":{${MEMBERS}}}`],
    ['400 arrays deep', '['.repeat(400) + ']'.repeat(400)],
  ])('%s is refused', async (_name, header) => {
    expect(await judge(header)).toEqual(unread);
  });

  it('bytes that are not UTF-8 are refused', async () => {
    const [, payload, signature] = segments(await signTicket(signer));
    const header = base64url.encode(Uint8Array.from([0x7b, 0xff, 0x7d]));
    expect(await verdict(`${header}.${payload}.${signature}`, expected)).toBe('ticket_header_invalid');
  });
});

describe('a good token of another kind', () => {
  const sign = (key: CryptoKey, header: object, claims: object) =>
    new SignJWT({ ...PAYLOAD, ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: signer.kid, ...header })
      .sign(key);

  it('of an identity provider is refused, with our claims in it', async () => {
    const { privateKey } = await generateKeyPair('RS256');
    const access = { alg: 'RS256', kid: 'c0ffee' };
    const token = await sign(privateKey, access, { iss: 'https://team.cloudflareaccess.com', aud: ['a'] });
    expect(await verdict(token, expected)).toBe('ticket_header_invalid');
  });

  it.each<[string, object, object, DenialReason]>([
    [
      'a control command',
      { typ: 'agent-control+jwt' },
      { aud: `${AUDIENCE}/control` },
      'ticket_header_invalid',
    ],
    ['an ID token', { typ: 'JWT' }, {}, 'ticket_header_invalid'],
    ['an access token', { typ: 'at+jwt' }, {}, 'ticket_header_invalid'],
    ['a control command under our typ', { typ: 'agent-ticket+jwt' }, { cmd: {} }, 'ticket_claims_invalid'],
    [
      'a ticket for the control endpoint',
      { typ: 'agent-ticket+jwt' },
      { aud: `${AUDIENCE}/control` },
      'ticket_audience_wrong',
    ],
    [
      'a ticket of the staging broker',
      { typ: 'agent-ticket+jwt' },
      { iss: 'https://staging.example', exp: NOW + 60 },
      'ticket_issuer_wrong',
    ],
  ])('%s signed with a ticket key is refused', async (_name, header, claims, reason) => {
    expect(await verdict(await sign(signer.privateKey, header, claims), expected)).toBe(reason);
  });

  it('of a staging key that borrows the name of a production key is refused', async () => {
    const staging = await makeSigner('ES256');
    const token = await signTicket({ ...staging, kid: signer.kid });
    expect(await verdict(token, expected)).toBe('ticket_signature_invalid');
  });
});

describe('a text says that it is a ticket', () => {
  const named = async (typ: string) =>
    isNamedTicket(await signBytes(signer, JSON.stringify({ ...headerOf(signer), typ }), '{}'));

  it('by its typ alone, signed or not', async () => {
    expect(await named('agent-ticket+jwt')).toBe(true);
    expect(isNamedTicket(`${base64url.encode('{"typ":"agent-ticket+jwt"}')}.e30.AA`)).toBe(true);
  });

  it.each(['JWT', 'agent-control+jwt', 'agent-ticket', ''])('and not by the typ %j', async (typ) => {
    expect(await named(typ)).toBe(false);
  });

  it.each(['', 'a.b', 'e30.e30.AA', 'bm8.e30.AA'])('and not as %j', (text) => {
    expect(isNamedTicket(text)).toBe(false);
  });
});
