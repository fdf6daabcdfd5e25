import { base64url } from 'jose';
import { describe, expect, it } from 'vitest';
import { makeSecret } from './secret.ts';
import { containsCredential, refuseCredentials } from './secret-in-text.ts';

const SECRET = makeSecret(`svc_${'a'.repeat(22)}`, (length) =>
  new Uint8Array(length).map((_, at) => (at * 37) % 248),
);
const typo = SECRET.slice(0, -1) + (SECRET.endsWith('0') ? '1' : '0');
const jwt = (header: string, rest = '.eyJzdWIiOiJ4In0.c2ln') => `${base64url.encode(header)}${rest}`;
const CALLBACK = `acb_v1.k-y_kEyS.5f8f1c9e-3b52-4c0d-9a53-0f1d6a1f7e11.1800000000.${'mA-c_'.repeat(8)}mAc`;
const TICKET = jwt('{"alg":"ES256","typ":"agent-ticket+jwt","kid":"k"}');

describe('a text', () => {
  it.each([
    ['that is a secret', SECRET],
    ['that is a secret with a typo', typo],
    ['with a secret of which the end is missing', `${SECRET.slice(0, 59)} …`],
    ['with a secret of which a character is missing', SECRET.slice(0, 30) + SECRET.slice(31)],
    ['with a header of a secret with a typo', `Authorization: Basic ${btoa(`svc_x:${typo}`)}`],
    ['with a secret in it', `the old one was ${SECRET}, please rotate`],
    ['with a secret after other letters', `x${SECRET}`],
    ['with more behind the secret', `${SECRET}abc`],
    ['with a secret after what looks like one', `atk_${SECRET}`],
    ['with a secret after one with a typo', `${typo}${SECRET}`],
    ['with a header that has one', `curl -H 'Authorization: Basic ${btoa(`svc_x:${SECRET}`)}'`],
    [
      'with the URL of a callback',
      `https://agents.test/agents/a/b/hooks/c?callback_token=${CALLBACK} in a log`,
    ],
    ['with the token of a callback of which the end is missing', `${CALLBACK.slice(0, -9)} …`],
    ['that is a ticket', TICKET],
    ['with a ticket in an address', `wss://agents.test/agents/counter/main?ticket=${TICKET}&x=1`],
    ['with a token after its name', `token-${TICKET}`],
    ['with a token after words and dots', `see.this.${TICKET}`],
    ['with a token of a header that has line breaks', jwt('{\n  "alg": "RS256"\n}')],
    ['with a token without a signature', jwt('{"alg":"none"}', '.eyJzdWIiOiJ4In0.')],
    ['with an encrypted cookie', jwt('{"alg":"dir","enc":"A256CBC-HS512"}', '..aXY.Y2lwaGVydGV4dA.dGFn')],
  ])('%s holds a credential', (_what, text) => {
    expect(containsCredential(text)).toBe(true);
  });

  it.each([
    ['with the id of a callback', 'acb_v1: 5f8f1c9e-3b52-4c0d-9a53-0f1d6a1f7e11 was in a log'],
    ['without one', 'the laptop was stolen on 2026-01-15'],
    ['with a header of another system', `Authorization: Basic ${btoa('me:password')}`],
    ['with a header that is none', 'Basic rules, basic A and Basic /'],
    ['with half a secret', SECRET.slice(0, 40)],
    ['that talks of secrets', 'atk_ is how secrets begin, eyJ how tokens do'],
    ['with a host name', 'agents.example.com'],
    ['with a version', '1.2.3-eyes.ewok'],
    ['with a header alone', jwt('{"alg":"ES256"}', '')],
    ['with two parts', jwt('{"alg":"ES256"}', '.e30')],
    ['with three parts and no header', 'eyJub3QiOiJhIGhlYWRlciJ9.e30.c2ln'],
    ['with a name of 128 letters', 'e'.repeat(128)],
    ['', ''],
  ])('%s holds none', (_what, text) => {
    expect(containsCredential(text)).toBe(false);
  });

  it('of any shape is read in a time that its length bounds', () => {
    for (const piece of ['atk_', 'basic YTph ', 'a', 'ey-', '-ey', 'eyJ.', '.', 'eyJhbGciOiJ4In0'])
      expect(containsCredential(`${piece.repeat(16_384 / piece.length)}`)).toBe(false);
  });
});

describe('input with a credential in it', () => {
  it.each([
    [{ reason: SECRET }, 'reason'],
    [{ target: { kind: 'principal', id: `token:${SECRET}` } }, 'target.id'],
    [{ groups: ['staff', TICKET] }, 'groups'],
    [SECRET, 'body'],
  ])('is refused by the name of the member', (input, field) => {
    const refused = refuseCredentials(input);
    expect(refused).toMatchObject({ ok: false, denial: { reason: 'secret_in_text', field } });
    expect(JSON.stringify(refused)).not.toContain(SECRET.slice(4, 20));
  });

  it('is what it was where there is none', () => {
    const input = { reason: 'a', n: 1, nothing: null, list: [true], missing: undefined };
    expect(refuseCredentials(input)).toEqual({ ok: true, value: input });
  });
});
