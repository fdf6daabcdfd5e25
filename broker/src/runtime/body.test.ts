import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { readBody } from './body.ts';

const Body = z.strictObject({
  reason: z.string().default('none'),
  target: z.strictObject({ name: z.string() }).optional(),
  names: z.array(z.string()).optional(),
});
const read = (body: string, headers: Readonly<Record<string, string>> = {}) =>
  readBody(
    new Request('https://broker.test/', {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
    }),
    Body,
  );

describe('a body', () => {
  it.each([
    ['at the top', '{"reason":"a","reason":"b"}'],
    ['within an object', '{"target":{"name":"a","name":"b"}}'],
    ['in another spelling', '{"reason":"a","r\\u0065ason":"b"}'],
    ['behind a text with brackets', '{"names":["}{","\\"]"],"reason":"a","reason":"b"}'],
  ])('with a member twice %s is refused', async (_where, body) => {
    const hint = 'a member of the body came twice';
    expect(await read(body)).toEqual({ ok: false, denial: { reason: 'field_invalid', hint } });
  });

  it.each([
    '{"reason":"name","target":{"name":"reason"}}',
    '{"names":["a","a"],"reason":"{\\"reason\\":1,\\"reason\\":2}"}',
  ])('with one name in several objects or texts is read: %s', async (body) => {
    expect(await read(body)).toMatchObject({ ok: true });
  });

  it.each([
    ['content-encoding', 'gzip'],
    ['content-encoding', 'br, identity'],
    ['content-type', 'application/json; charset=iso-8859-1'],
    ['content-type', 'application/json; profile=x; charset="UTF-16"'],
    ['content-type', 'application/json; charset='],
  ])('with %s: %s is of no media type that is taken', async (name, value) => {
    expect(await read('{}', { [name]: value })).toMatchObject({
      ok: false,
      denial: { reason: 'media_type_unsupported' },
    });
  });

  it.each([
    ['content-encoding', 'identity'],
    ['content-type', 'application/json;charset="UTF-8"'],
    ['content-type', 'application/json; charset=utf8; profile=x'],
  ])('with %s: %s is read', async (name, value) => {
    expect(await read('{}', { [name]: value })).toMatchObject({ ok: true });
  });

  it.each(['\\u0000', '\\u001b[31m', '\\n', '\\u0085', '\\u2028', '\\u202e'])(
    'with %s in a text is refused by the name of the member',
    async (text) => {
      expect(await read(`{"target":{"name":"a${text}b"}}`)).toEqual({
        ok: false,
        denial: { reason: 'field_invalid', field: 'target.name', hint: 'it holds a control character' },
      });
    },
  );
});

describe('a text with a lone surrogate, of which an event could never be sealed,', () => {
  it.each([
    ['the first half of a pair', '{"reason":"\\ud83d"}', 'reason'],
    ['the second half of a pair', '{"reason":"x\\ude00"}', 'reason'],
    ['halves in the wrong order', '{"reason":"\\ude00\\ud83d"}', 'reason'],
    ['a half inside', '{"target":{"name":"a\\uDC00b"}}', 'target.name'],
    ['a half in a list', '{"names":["a","\\ud800"]}', 'names'],
  ])('is refused by the name of its member: %s', async (_what, body, field) => {
    expect(await read(body)).toEqual({
      ok: false,
      denial: { reason: 'field_invalid', field, hint: 'it holds half of a character' },
    });
  });

  it.each([
    ['a pair', '{"reason":"\\ud83d\\ude00"}', '😀'],
    ['the character itself', '{"reason":"😀"}', '😀'],
    ['an escaped backslash', '{"reason":"\\\\ud83d"}', '\\ud83d'],
  ])('is not one with %s', async (_what, body, reason) => {
    expect(await read(body)).toEqual({ ok: true, value: { reason } });
  });
});
