import { describe, expect, it } from 'vitest';
import * as z from 'zod';
import { readBody } from './body.ts';

const Body = z.strictObject({
  reason: z.string().default('none'),
  target: z.strictObject({ name: z.string() }).optional(),
  names: z.array(z.string()).optional(),
});
const read = (body: string) =>
  readBody(
    new Request('https://broker.test/', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    }),
    Body,
  );

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
