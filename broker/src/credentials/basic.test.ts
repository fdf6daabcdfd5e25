import { describe, expect, it } from 'vitest';
import { readBasic } from './basic.ts';

const utf8 = (text: string): string => Buffer.from(text, 'utf8').toString('base64');

describe('Basic', () => {
  it.each([
    ['a plain pair', 'svc_1:secret', 'svc_1', 'secret'],
    ['a colon in the secret', 'svc_1:se:cr:et', 'svc_1', 'se:cr:et'],
    ['a secret that begins with a colon', 'svc_1::x', 'svc_1', ':x'],
    ['a colon in the id, escaped', 'svc%3A1:secret', 'svc:1', 'secret'],
    ['an empty secret', 'svc_1:', 'svc_1', ''],
    ['a plus for a space', 'a+b:c+d', 'a b', 'c d'],
    ['an escaped plus', 'a%2Bb:c%2bd', 'a+b', 'c+d'],
    ['an escaped percent sign', 'a%25b:c%2525d', 'a%b', 'c%25d'],
    ['letters that are not ASCII', 'zoë:€𝄞', 'zoë', '€𝄞'],
    ['letters that are not ASCII, escaped', 'zo%C3%AB:%E2%82%AC', 'zoë', '€'],
    ['white space inside', 'a b:\tc\n', 'a b', '\tc\n'],
    ['a byte order mark as a letter', '\ufeffa:b', '\ufeffa', 'b'],
  ])('of %s is read', (_what, pair, clientId, secret) => {
    expect(readBasic(utf8(pair))).toEqual({ ok: true, value: { kind: 'client-secret', clientId, secret } });
  });

  it('is read without padding as well', () => {
    expect(readBasic(utf8('ab:cd').replace(/=+$/, ''))).toMatchObject({ ok: true });
  });

  it.each([
    ['nothing', ''],
    ['no base64', '!!!'],
    ['base64url', '-_-_'],
    ['a length that no base64 has', 'YWJjZ'],
    ['no colon', utf8('nocolon')],
    ['no id', utf8(':secret')],
    ['a colon alone', utf8(':')],
    ['a broken escape in the id', utf8('%zz:secret')],
    ['a broken escape in the secret', utf8('id:100%')],
    ['an escape of broken UTF-8', utf8('%ff:secret')],
    ['half of an escaped surrogate pair', utf8('%ED%A0%80:secret')],
    ['Latin-1', Buffer.from('zoë:secret', 'latin1').toString('base64')],
    ['bytes that are no text', Buffer.from([0xc3, 0x28, 0x3a, 0x61]).toString('base64')],
  ])('of %s is malformed, and nothing of it is repeated', (_what, encoded) => {
    const outcome = readBasic(encoded);
    expect(outcome).toMatchObject({ ok: false, denial: { reason: 'credential_malformed' } });
    if (encoded.length > 4) expect(JSON.stringify(outcome)).not.toContain(encoded);
  });
});
