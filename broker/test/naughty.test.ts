import { env } from 'cloudflare:workers';
import { afterAll, describe, expect, it } from 'vitest';
import { startBroker } from './broker.ts';
import { COUNTER, call, LOBBY, mint, type Reply, refusalOf } from './call.ts';
import { inShards } from './record.ts';
import { notValid, UNKNOWN_MEMBER } from './ticket-refusals.ts';
import { basic, makeToken, pair } from './tokens.ts';

const strings = env.TEST_VECTORS?.naughtyStrings ?? [];
const texts = env.TEST_VECTORS?.jsonTexts ?? [];
const { front } = startBroker();
const token = await makeToken();
const invalid = (field: string) => `400 ${notValid(field)}`;

/** Everything that the answer to a refused request may contain; none of it comes from the request. */
const SAYINGS = new Set([
  ...['agent', 'instance', 'scope', 'expires_in', 'transport', 'body'].map(invalid),
  '400 the request is not valid (the body is not JSON)',
  `400 ${UNKNOWN_MEMBER}`,
  `400 ${notValid('agent', true)}`,
  '401 a valid credential is needed',
  '403 not allowed',
  '404 not found',
  '413 the body is too large',
  '415 send the body as application/json',
]);

/** Many of these come down to one client id; what they used up is nobody else's. */
afterAll(async () => {
  await inShards('DELETE FROM rate_windows');
});

const said = (reply: Reply): string => {
  if (reply.status === 201) return '201';
  const { status, message } = refusalOf(reply);
  return `${status} ${message}`;
};

/** Sends one request for each string and answers what came, without what is expected. */
async function surprises(
  expected: ReadonlySet<string>,
  send: (text: string) => Promise<Reply>,
  some: readonly string[] = strings,
): Promise<string[]> {
  const replies = await Promise.all(some.map(async (text) => ({ text, reply: await send(text) })));
  return replies.flatMap(({ text, reply }) => {
    const echoed = text.length > 8 && [...reply.headers.values()].some((value) => value.includes(text));
    const odd = expected.has(said(reply)) ? [] : [`${JSON.stringify(text)}: ${said(reply)}`];
    return echoed ? [...odd, `${JSON.stringify(text)}: came back in a header`] : odd;
  });
}

/** What goes into a header as it is. */
const sendable = strings.filter((text) => /^[\t\x20-\x7e]+$/.test(text) && text.trim() !== '');
/** What can be percent-encoded: a half of a surrogate pair cannot. */
const encodable = strings.filter((text) => !/\p{Cs}/u.test(text)).map(encodeURIComponent);
/** An anonymous request: the body is read before the credential is checked. */
const ask = (request: object) => mint(undefined, request, { front });

describe.skipIf(env.TEST_VECTORS === null)('515 naughty strings', () => {
  it('are all there', () => {
    expect(strings).toHaveLength(515);
  });

  it('as an agent are refused by the name of the field, or are no agent', async () => {
    const expected = new Set([invalid('agent'), '401 a valid credential is needed']);
    expect(await surprises(expected, (agent) => ask({ agent }))).toEqual([]);
  });

  it('as an instance are refused by the name of the field, or are a name of the safe alphabet', async () => {
    const safe = (text: string): boolean => /^[A-Za-z0-9_-]{1,128}$/.test(text) && text !== 'sub';
    const good = strings.filter(safe);
    const bad = strings.filter((text) => !safe(text));
    const send = (instance: string) => ask({ agent: 'counter', instance });
    expect(good.length).toBeGreaterThan(10);
    expect(await surprises(new Set(['401 a valid credential is needed']), send, good)).toEqual([]);
    expect(await surprises(new Set([invalid('instance')]), send, bad)).toEqual([]);
  });

  it('as a scope are refused by the name of the field', async () => {
    const expected = new Set([invalid('scope')]);
    expect(await surprises(expected, (scope) => ask({ ...COUNTER, scope }))).toEqual([]);
    expect(await surprises(expected, (text) => ask({ ...COUNTER, scope: `agent:connect ${text}` }))).toEqual(
      [],
    );
  });

  it('as a life or a transport are refused by the name of the field', async () => {
    const expected = new Set([invalid('expires_in'), invalid('transport')]);
    expect(await surprises(expected, (expires_in) => ask({ ...COUNTER, expires_in }))).toEqual([]);
    expect(await surprises(expected, (transport) => ask({ ...COUNTER, transport }))).toEqual([]);
  });

  it('as the name of a member are not known', async () => {
    const expected = new Set([`400 ${UNKNOWN_MEMBER}`]);
    expect(
      await surprises(expected, (name) => ask(JSON.parse(`{"agent":"counter",${JSON.stringify(name)}:1}`))),
    ).toEqual([]);
  });

  it('as the whole body are no request', async () => {
    const send = (body: string) =>
      call('/tickets', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        front,
      });
    expect(await surprises(SAYINGS, send)).toEqual([]);
  });

  it('as a secret, an Authorization or an assertion are a 401', async () => {
    const ways: readonly ((text: string) => Record<string, string>)[] = [
      (text) => ({ ...pair(crypto.randomUUID(), text) }),
      (text) => ({ authorization: text }),
      (text) => ({ authorization: `Bearer ${text}` }),
      (text) => ({ authorization: `Basic ${text}` }),
      (text) => ({ 'cf-access-jwt-assertion': text }),
    ];
    for (const [index, way] of ways.entries()) {
      // Each failure is counted, which costs more than the refusal: every string meets one of the ways.
      const some = sendable.filter((_, at) => at % ways.length === index);
      const replies = await Promise.all(some.map((text) => mint(way(text), LOBBY, { front })));
      expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([401]));
    }
  });

  it('as a client id are a 401, or a 429 where they all come down to one name', async () => {
    // Each one is looked up and counted: a fifth of them is enough.
    const some = encodable.filter((_, index) => index % 5 === 0);
    const replies = await Promise.all(some.map((text) => mint(basic(text, token.secret), LOBBY, { front })));
    expect(replies.map(({ status }) => status).filter((status) => status !== 401 && status !== 429)).toEqual(
      [],
    );
  });

  it('as any other header change nothing and do not come back', async () => {
    const send = (name: string) => (text: string) => call('/nowhere', { headers: { [name]: text }, front });
    const names = [
      'origin',
      'x-request-id',
      'user-agent',
      'x-http-method-override',
      'x-forwarded-for',
      'cookie',
    ];
    for (const name of names) {
      expect(await surprises(new Set(['404 not found']), send(name), sendable)).toEqual([]);
    }
  });

  it('as a type of the body are not taken', async () => {
    const send = (type: string) => mint({ 'content-type': type }, COUNTER, { front });
    expect(await surprises(new Set(['415 send the body as application/json']), send, sendable)).toEqual([]);
  });

  it('as a path or a query are found nowhere', async () => {
    const at = (before: string) => (text: string) => call(`${before}${text}`, { front });
    for (const before of ['/x', '/admin/x', '/tickets/x', '/x?ticket=']) {
      expect(await surprises(new Set(['404 not found']), at(before), encodable)).toEqual([]);
    }
  });
});

describe.skipIf(env.TEST_VECTORS === null)('the JSON test suite', () => {
  const bytesOf = (base64: string) => Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  const post = (body: Uint8Array<ArrayBuffer>, path = '/tickets', headers = {}) =>
    call(path, { method: 'POST', headers: { ...headers, 'content-type': 'application/json' }, body, front });

  it('is all there', () => {
    expect(texts).toHaveLength(318);
  });

  it('as a body: what is not JSON is said to be so, what is asks for something else', async () => {
    const odd: string[] = [];
    for (const { name, base64 } of texts) {
      const body = bytesOf(base64);
      const answer = said(await post(body));
      const expected =
        body.length > 16 * 1024
          ? '413'
          : name.startsWith('n_')
            ? '400 the request is not valid (the body is not JSON)'
            : '400';
      if (!answer.startsWith(expected) || !SAYINGS.has(answer)) odd.push(`${name}: ${answer}`);
    }
    expect(odd).toEqual([]);
  });

  it('as a member of a body: never more than a refusal', async () => {
    const utf8 = new TextEncoder();
    const odd: string[] = [];
    for (const { name, base64 } of texts) {
      for (const [head, tail] of [
        ['{"agent":', '}'],
        ['{"agent":"counter","x":', '}'],
        ['', '{"agent":"counter"}'],
      ]) {
        const body = new Uint8Array([...utf8.encode(head), ...bytesOf(base64), ...utf8.encode(tail)]);
        const answer = said(await post(body));
        if (!SAYINGS.has(answer)) odd.push(`${name}: ${answer}`);
        // Only white space before a good request leaves a good one, which an anonymous caller may not make.
        if (answer.startsWith('401') && !/space|no_data|lonely_string/.test(name))
          odd.push(`${name}: ${answer}`);
      }
    }
    expect(odd).toEqual([]);
  });

  it('as a body at the operator API: never more than a refusal', async () => {
    const operator = await makeToken({ permissions: ['keys:rotate'] });
    const statuses = new Set<number>();
    for (const { name, base64 } of texts.filter(({ name }) => name.startsWith('y_'))) {
      // An empty object asks for a rotation, and rightly gets one.
      if (name === 'y_object_empty.json') continue;
      statuses.add((await post(bytesOf(base64), '/admin/keys/rotate', operator.pair)).status);
    }
    expect(statuses).toEqual(new Set([400]));
  });
});
