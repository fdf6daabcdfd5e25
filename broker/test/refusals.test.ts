import { describe, expect, it } from 'vitest';
import { startBroker } from './broker.ts';
import { COUNTER, call, expectRefusal, newInstance, ticketOf } from './call.ts';
import { notValid, UNKNOWN_MEMBER } from './ticket-refusals.ts';
import { makeToken } from './tokens.ts';

const JSON_TYPE = { 'content-type': 'application/json' };
const utf8 = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(new TextEncoder().encode(text));

/** A body of so many bytes that is a good request but for its length. */
const padded = (length: number): string => {
  const text = JSON.stringify(COUNTER);
  return text + ' '.repeat(length - text.length);
};

/** The same without a length in its head. */
function chunked(text: string): ReadableStream {
  const bytes = utf8(text);
  let sent = 0;
  return new ReadableStream({
    pull(controller) {
      const next = bytes.subarray(sent, sent + 1000);
      sent += next.length;
      if (next.length === 0) controller.close();
      else controller.enqueue(next);
    },
  });
}

describe('a body for a ticket', () => {
  const { front } = startBroker();
  const post = async (body: BodyInit, headers: Record<string, string> = JSON_TYPE) =>
    call('/tickets', { method: 'POST', headers: { ...(await makeToken()).pair, ...headers }, body, front });

  it.each<[string, BodyInit]>([
    ['empty', ''],
    ['cut off', '{"agent":"counter"'],
    ['two values', '{"agent":"counter"}{}'],
    ['with a comma too many', '{"agent":"counter",}'],
    ['with a comment', '{"agent":"counter"/**/}'],
    ['with single quotes', "{'agent':'counter'}"],
    ['with a name without quotes', '{agent:"counter"}'],
    ['with NaN', '{"agent":"counter","expires_in":NaN}'],
    ['with Infinity', '{"agent":"counter","expires_in":Infinity}'],
    ['with a number in hexadecimal', '{"agent":"counter","expires_in":0x3c}'],
    ['with a leading zero', '{"agent":"counter","expires_in":060}'],
    ['with a control character in a text', '{"agent":"coun\nter"}'],
    ['with a byte order mark', '\ufeff{"agent":"counter"}'],
    ['with a NUL behind it', '{"agent":"counter"}\0'],
    ['in UTF-16', new Uint8Array([...'{"agent":"counter"}'].flatMap((c) => [c.charCodeAt(0), 0]))],
    ['in broken UTF-8', new Uint8Array([...utf8('{"agent":"'), 0xff, ...utf8('"}')])],
    ['a form', 'agent=counter'],
    ['nested a thousand times and never closed', '['.repeat(5000)],
  ])('%s is not JSON', async (_what, body) => {
    expectRefusal(await post(body), '400 BAD_REQUEST');
  });

  it.each<[string, string, string]>([
    ['null', 'null', 'body'],
    ['a number', '42', 'body'],
    ['a text', '"counter"', 'body'],
    ['an empty list', '[]', 'body'],
    ['a list of a good one', JSON.stringify([COUNTER]), 'body'],
    ['nested five thousand times', '['.repeat(5000) + ']'.repeat(5000), 'body'],
    ['without an agent', '{}', 'agent'],
    ['with an agent that is null', '{"agent":null}', 'agent'],
    ['with an agent that is a list', '{"agent":["counter"]}', 'agent'],
    ['with an agent that is an object', '{"agent":{"toString":"counter"}}', 'agent'],
    ['with an empty agent', '{"agent":""}', 'agent'],
    ['with an agent in capitals', '{"agent":"Counter"}', 'agent'],
    ['with an agent with a space behind it', '{"agent":"counter "}', 'agent'],
    ['with an agent with a NUL behind it', '{"agent":"counter\\u0000"}', 'agent'],
    ['with an agent in snake case', '{"agent":"mcp_agent"}', 'agent'],
    ['with an endless agent', `{"agent":"${'a'.repeat(65)}"}`, 'agent'],
    ['with an instance that is empty', '{"agent":"counter","instance":""}', 'instance'],
    ['with an instance that is null', '{"agent":"counter","instance":null}', 'instance'],
    ['with an instance that is a number', '{"agent":"counter","instance":1}', 'instance'],
    ['with an instance with a slash', '{"agent":"counter","instance":"a/b"}', 'instance'],
    ['with an instance with a dot', '{"agent":"counter","instance":".."}', 'instance'],
    ['with an instance that is escaped', '{"agent":"counter","instance":"a%2fb"}', 'instance'],
    ['with an instance of letters that fold', '{"agent":"counter","instance":"\u212a"}', 'instance'],
    ['with an instance that is every instance', '{"agent":"counter","instance":"*"}', 'instance'],
    ['with an instance that is a path marker', '{"agent":"counter","instance":"sub"}', 'instance'],
    ['with an endless instance', `{"agent":"counter","instance":"${'i'.repeat(129)}"}`, 'instance'],
    ['with a scope that is empty', '{"agent":"counter","scope":""}', 'scope'],
    ['with a scope that is a list', '{"agent":"counter","scope":["agent:connect"]}', 'scope'],
    ['with a scope of two spaces', '{"agent":"counter","scope":"agent:connect  agent:message"}', 'scope'],
    ['with a scope that nobody knows', '{"agent":"counter","scope":"agent:connect admin"}', 'scope'],
    ['with a permission for a scope', '{"agent":"counter","scope":"keys:rotate"}', 'scope'],
    [
      'with a scope with a line break',
      '{"agent":"counter","scope":"agent:connect\\nagent:message"}',
      'scope',
    ],
    ['with an endless scope', `{"agent":"counter","scope":"${'agent:message '.repeat(99)}"}`, 'scope'],
    ['with a life that is infinite', '{"agent":"counter","expires_in":1e999}', 'expires_in'],
    ['with a transport that nobody knows', '{"agent":"counter","transport":"sse"}', 'transport'],
    ['with a transport that is null', '{"agent":"counter","transport":null}', 'transport'],
    ['with two faults', '{"agent":"counter","instance":"","scope":""}', 'instance'],
  ])('%s names the field at fault', async (_what, body, field) => {
    const { message } = expectRefusal(await post(body), '400 BAD_REQUEST');
    expect(message).toBe(notValid(field, body === '{}'));
  });

  it.each([
    ['a misspelled limit', '{"agent":"counter","expiresIn":60}'],
    ['an identity', '{"agent":"counter","user_id":"operator"}'],
    ['a role', '{"agent":"counter","role":"owner"}'],
    ['an empty name', '{"agent":"counter","":1}'],
    ['__proto__', '{"agent":"counter","__proto__":{"instance":"other"}}'],
    ['constructor', '{"agent":"counter","constructor":{"prototype":{}}}'],
    ['a name that is escaped', '{"agent":"counter","\\u0072ole":"owner"}'],
    ['the agent in other letters', '{"agent":"counter","Agent":"lobby"}'],
  ])('with an unknown member (%s) is refused and the member not repeated', async (_what, body) => {
    const { message } = expectRefusal(await post(body), '400 BAD_REQUEST');
    expect(message).toBe(UNKNOWN_MEMBER);
  });

  it('with one member twice is refused: a proxy may have read the other one', async () => {
    const instance = newInstance();
    for (const twice of [
      `{"agent":"lobby","agent":"counter","instance":"${instance}"}`,
      '{"agent":"counter","agent":"nobody"}',
    ])
      expectRefusal(await post(twice), '400 BAD_REQUEST');
  });

  it.each<[string, () => BodyInit, number]>([
    ['of the greatest length', () => padded(16 * 1024), 201],
    ['of the greatest length, in pieces', () => chunked(padded(16 * 1024)), 201],
    ['of one byte more', () => padded(16 * 1024 + 1), 413],
    ['of one byte more, in pieces without a length', () => chunked(padded(16 * 1024 + 1)), 413],
    ['of a megabyte, in pieces without a length', () => chunked(padded(1 << 20)), 413],
  ])('%s is answered %3$i', async (_what, body, status) => {
    const reply = await post(body());
    expect(reply.status).toBe(status);
    if (status === 413) expectRefusal(reply, '413 PAYLOAD_TOO_LARGE');
  });

  it.each([
    'text/plain',
    'application/x-www-form-urlencoded',
    'multipart/form-data; boundary=x',
    'text/json',
    'application/jsonp',
    'application/json-patch+json',
    'application/vnd.api+json',
    'application/json, text/plain',
    'x/application/json',
  ])('as %s is of a type that is not taken', async (type) => {
    expectRefusal(
      await post(JSON.stringify(COUNTER), { 'content-type': type }),
      '415 UNSUPPORTED_MEDIA_TYPE',
    );
  });

  it('without a type is of a type that is not taken', async () => {
    expectRefusal(await post(utf8(JSON.stringify(COUNTER)), {}), '415 UNSUPPORTED_MEDIA_TYPE');
    expectRefusal(
      await call('/tickets', { method: 'POST', headers: (await makeToken()).pair, front }),
      '415 UNSUPPORTED_MEDIA_TYPE',
    );
  });

  it.each([
    'application/json',
    'APPLICATION/JSON',
    'application/json;charset=utf-8',
    'application/json ; q=1',
  ])('as %s is taken', async (type) => {
    ticketOf(await post(JSON.stringify(COUNTER), { 'content-type': type }));
  });
});
