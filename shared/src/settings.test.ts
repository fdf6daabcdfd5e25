import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { BaseUrl, isLoopback, List, Mode, Origins, readSettings } from './settings.ts';

describe('a base address', () => {
  it.each([
    ...['https://broker.example', 'https://broker.example/', 'https://broker.example:8443/base'],
    ...['http://localhost:8787', 'http://127.0.0.1:8787', 'http://127.9.9.9', 'http://[::1]:8787'],
  ])('%s is one, unchanged', (text) => {
    expect(BaseUrl.parse(text)).toBe(text);
  });

  it.each([
    ...['', 'broker.example', '//broker.example', 'ftp://broker.example', 'javascript:alert(1)', 'https://'],
    ...[
      'http://broker.example',
      'http://localhost.evil.example',
      'http://127.0.0.1.evil.example',
      'http://0.0.0.0',
    ],
    ...['https://broker.example?x=1', 'https://broker.example#x', 'https://user@broker.example'],
    ...[
      'https://user:secret@broker.example',
      'https://:secret@broker.example',
      `https://a.example/${'x'.repeat(512)}`,
    ],
  ])('%j is none', (text) => {
    expect(BaseUrl.safeParse(text).success).toBe(false);
  });

  it.each(['https://broker.example?', 'https://broker.example/#', 'https://@broker.example'])(
    '%j is none, since it is compared as text and nobody would see the difference',
    (text) => {
      expect(BaseUrl.safeParse(text).success).toBe(false);
    },
  );
});

describe('loopback', () => {
  it.each<[string, boolean]>([
    ['localhost', true],
    ['127.0.0.1', true],
    ['[::1]', true],
    ['128.0.0.1', false],
    ['localhost.example', false],
    ['127.0.0.1.example', false],
    ['', false],
  ])('%j: %j', (hostname, expected) => {
    expect(isLoopback(hostname)).toBe(expected);
  });
});

describe('a list', () => {
  it.each<[string, string[]]>([
    ['', []],
    [' , ,', []],
    ['a', ['a']],
    [' a ,b,, c', ['a', 'b', 'c']],
  ])('%j is %j', (text, items) => {
    expect(List.parse(text)).toEqual(items);
  });

  it('of origins holds them as browsers send them', () => {
    const text = 'https://a.example, http://localhost:8788';
    expect(Origins.parse(text)).toEqual(['https://a.example', 'http://localhost:8788']);
  });

  it.each([
    ...['*', 'null', 'a.example', 'https://a.example/', 'https://A.example', 'https://a.example:443'],
    ...['https://*.example', 'https://a.example/path', 'https://a.example,*', 'https://b\u00fccher.example'],
  ])('of origins is refused with %j in it', (text) => {
    expect(Origins.safeParse(text).success).toBe(false);
  });
});

describe('reading settings', () => {
  const schema = z.strictObject({
    ISSUER: BaseUrl,
    MODE: Mode,
    KEK: z.string().min(3),
    NOTE: z.string().optional(),
  });
  const good = { ISSUER: 'https://broker.example', MODE: 'production', KEK: 's3cret' };

  const read = (env: object) => readSettings('broker', schema, env, /^KEK(_|$)/);

  it('gives them, and leaves out what is no text, as bindings are', () => {
    expect(read({ ...good, DB: {}, COUNT: 7 })).toEqual(good);
  });

  it.each<[string, object, string]>([
    ['missing', { ...good, KEK: undefined }, 'KEK: missing'],
    ['a slip', { ...good, ISSUE: 's3cret' }, 'ISSUE: not a setting of ours, is it ISSUER?'],
    ['unknown, and begins like one', { ...good, KEK_OLD: 's3cret' }, 'KEK_OLD: not a setting of ours'],
    ['malformed', { ...good, ISSUER: 's3cret' }, 'ISSUER: '],
    ['unsafe', { ...good, ISSUER: 'http://s3cret.example' }, 'ISSUER: must be https'],
    ['of no known mode', { ...good, MODE: 's3cret' }, 'MODE: '],
    ['too short', { ...good, KEK: 's3' }, 'KEK: '],
  ])('one that is %s is named without its value', (_name, env, fault) => {
    const reading = () => read(env);
    expect(reading).toThrow(`broker is not configured. ${fault}`);
    expect(reading).not.toThrow('s3');
  });

  it('leaves alone what other programs have in the same environment', () => {
    expect(read({ ...good, NODE: 'x', PATH: 'x', OPENAI_API_KEY: 'x' })).toEqual(good);
  });

  it('reports all faults at once', () => {
    const reading = () => read({ MODE: 'x', KEK_OLD: 'y' });
    for (const name of ['ISSUER', 'MODE', 'KEK:', 'KEK_OLD']) expect(reading).toThrow(name);
  });
});
