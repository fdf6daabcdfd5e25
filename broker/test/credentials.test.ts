import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { startBroker } from './broker.ts';
import { COUNTER, call, LOBBY, mint, newInstance, refusal, refusalOf, ticketOf } from './call.ts';
import { secret } from './canaries.ts';
import { NOW, setClock } from './clock.ts';
import { claimsOf } from './tickets.ts';
import {
  basic,
  bearer,
  digestOf,
  drawToken,
  makeToken,
  newSecret,
  newTokenId,
  pair,
  type ServiceToken,
} from './tokens.ts';

const form = (text: string): string => encodeURIComponent(text).replaceAll('%20', '+');

describe('a service token', () => {
  it.each([
    ['as a pair of headers', (t: ServiceToken) => t.pair],
    ['as Basic', (t: ServiceToken) => t.basic],
    [
      'as Basic without padding',
      (t: ServiceToken) => ({ authorization: t.basic.authorization?.replace(/=+$/, '') ?? '' }),
    ],
    ['as Basic, form-urlencoded', (t: ServiceToken) => basic(form(t.clientId), form(t.secret))],
    ['as Basic, every character escaped', (t: ServiceToken) => basic(escaped(t.clientId), escaped(t.secret))],
    ['as Bearer', (t: ServiceToken) => t.bearer],
    ['as bearer in small letters', (t: ServiceToken) => ({ authorization: `bearer ${t.secret}` })],
    ['as BEARER in capitals', (t: ServiceToken) => ({ authorization: `BEARER ${t.secret}` })],
    [
      'with several spaces behind the scheme',
      (t: ServiceToken) => ({ authorization: `Bearer   ${t.secret}` }),
    ],
  ])('%s is its principal', async (_how, present) => {
    const token = await makeToken({ tier: 'pro' });
    const claims = claimsOf(ticketOf(await mint(present(token))));
    expect([claims.sub, claims.tier]).toEqual([token.principal, 'pro']);
  });

  it('is known at the operator API in each form', async () => {
    const token = await makeToken({ permissions: ['keys:read'] });
    const replies = await Promise.all(
      [token.pair, token.basic, token.bearer].map((headers) => call('/admin/keys', { headers })),
    );
    expect(replies.map(({ status }) => status)).toEqual([200, 200, 200]);
  });

  it('limited to some agents finds the others not to exist', async () => {
    const token = await makeToken({ agents: ['lobby'] });
    ticketOf(await mint(token.pair, LOBBY));
    expect(refusal(await mint(token.pair, COUNTER))).toBe('404 NOT_FOUND');
  });

  it('limited to no agent finds none', async () => {
    const token = await makeToken({ agents: [] });
    const replies = await Promise.all([mint(token.pair, LOBBY), mint(token.pair, COUNTER)]);
    expect(replies.map(refusal)).toEqual(['404 NOT_FOUND', '404 NOT_FOUND']);
  });

  it('is good with both secrets while one is rotated out, and then with the new one', async () => {
    const token = await makeToken({ secretExpiresAt: (NOW + 100) * 1000 });
    const next = newSecret(token.id);
    await env.CONTROL.prepare(
      'INSERT INTO service_token_secrets (digest, token_id, created_at) VALUES (?, ?, ?)',
    )
      .bind(await digestOf(next), token.id, NOW * 1000)
      .run();
    const statuses = async () =>
      (await Promise.all([mint(token.pair), mint(pair(token.clientId, next)), mint(bearer(next))])).map(
        ({ status }) => status,
      );
    expect(await statuses()).toEqual([201, 201, 201]);
    setClock(100);
    expect(await statuses()).toEqual([401, 201, 201]);
    expect(refusal(await mint(token.pair))).toBe('401 TOKEN_EXPIRED');
  });

  it('remembers when it was used, to ten minutes', async () => {
    const token = await makeToken();
    const broker = startBroker();
    const uses: unknown[] = [];
    for (const seconds of [0, 1, 599, 601, 700, 1300]) {
      setClock(seconds);
      ticketOf(await mint(token.pair, COUNTER, { front: broker.front }));
      await broker.settled();
      const row = await env.CONTROL.prepare('SELECT last_used_at AS at FROM service_tokens WHERE id = ?')
        .bind(token.id)
        .first<{ at: number }>();
      uses.push((row?.at ?? 0) / 1000 - NOW);
    }
    expect(uses).toEqual([0, 0, 0, 601, 601, 1300]);
  });
});

const escaped = (text: string): string =>
  [...new TextEncoder().encode(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');

describe('without a credential', () => {
  it('the public agent is open', async () => {
    expect(ticketOf(await mint(undefined, LOBBY)).role).toBe('viewer');
  });

  it.each([
    ['an agent for principals', COUNTER],
    ['a disabled agent', { agent: 'chat', instance: 'default' }],
    ['an agent of a high tier', { agent: 'mcp-agent', instance: 'default' }],
    ['an agent that does not exist', { agent: 'nobody', instance: 'default' }],
  ])('%s asks for one', async (_what, request) => {
    const reply = await mint(undefined, request);
    expect(refusalOf(reply)).toEqual({
      status: 401,
      code: 'UNAUTHORIZED',
      message: 'a valid credential is needed',
    });
    expect(reply.headers.get('www-authenticate')).toMatch(/^Bearer .*Basic /);
  });

  it('another instance of the public agent does not exist', async () => {
    expect(refusal(await mint(undefined, { agent: 'lobby', instance: 'other' }))).toBe('404 NOT_FOUND');
  });

  it('the e-mail header that Access adds authenticates nobody', async () => {
    const headers = { 'cf-access-authenticated-user-email': 'operator@example.com' };
    expect(refusal(await mint(headers))).toBe('401 UNAUTHORIZED');
    expect(refusal(await call('/admin/keys', { headers }))).toBe('401 UNAUTHORIZED');
  });
});

it('an empty Authorization is one that fails, where the runtime shows it', async () => {
  const empty = { authorization: '' };
  // On its way in workerd drops this one header when it is empty: the worker cannot know that it was sent.
  expect(ticketOf(await mint(empty, LOBBY)).role).toBe('viewer');
  expect(refusal(await mint(empty))).toBe('401 UNAUTHORIZED');
  expect(refusal(await mint(empty, LOBBY, { front: startBroker().front }))).toBe('401 UNAUTHORIZED');
});

describe('two explicit credentials', () => {
  it.each([
    ['the pair and Bearer', (t: ServiceToken) => ({ ...t.pair, ...t.bearer })],
    ['the pair and Basic', (t: ServiceToken) => ({ ...t.pair, ...t.basic })],
    [
      'Bearer twice, as HTTP joins it',
      (t: ServiceToken) => ({ authorization: `Bearer ${t.secret}, Bearer ${t.secret}` }),
    ],
    [
      'the pair twice, as HTTP joins it',
      (t: ServiceToken) => ({
        'cf-access-client-id': `${t.clientId}, ${t.clientId}`,
        'cf-access-client-secret': `${t.secret}, ${t.secret}`,
      }),
    ],
    ['half a pair and Bearer', (t: ServiceToken) => ({ ...t.bearer, 'cf-access-client-id': t.clientId })],
    [
      'the pair and an Authorization of no known kind',
      (t: ServiceToken) => ({ ...t.pair, authorization: 'x' }),
    ],
  ])('%s are refused, even when they are one and the same', async (_what, present) => {
    const headers = present(await makeToken());
    expect(refusal(await mint(headers))).toBe('400 BAD_REQUEST');
    expect(refusal(await mint(headers, LOBBY))).toBe('400 BAD_REQUEST');
  });
});

describe('an explicit credential beside an assertion', () => {
  const assertion = { 'cf-access-jwt-assertion': 'not.an.assertion' };

  it('is the one that counts', async () => {
    const token = await makeToken();
    for (const headers of [token.pair, token.basic, token.bearer]) {
      const reply = await mint({ ...headers, ...assertion });
      expect(claimsOf(ticketOf(reply)).sub).toBe(token.principal);
    }
  });

  it('is the one that counts when it is wrong, too', async () => {
    const wrong = bearer(newSecret());
    expect(refusal(await mint({ ...wrong, ...assertion }, LOBBY))).toBe('401 UNAUTHORIZED');
  });
});

/** Ways to fail, each starting from a good token. */
const FAILURES: readonly [
  string,
  (t: ServiceToken) => Record<string, string> | Promise<Record<string, string>>,
][] = [
  ['a wrong secret', (t) => ({ ...pair(t.clientId, newSecret(t.id)) })],
  ['a wrong secret as Basic', (t) => ({ ...basic(t.clientId, newSecret(t.id)) })],
  ['a wrong secret as Bearer', (t) => ({ ...bearer(newSecret(t.id)) })],
  ['an unknown client', () => ({ ...drawToken().pair })],
  ['an unknown client as Basic', () => ({ ...drawToken().basic })],
  ['an unknown client as Bearer', () => ({ ...drawToken().bearer })],
  ['an unknown client id beside a good secret', (t) => ({ ...pair(newTokenId(), t.secret) })],
  ['an unknown client id beside a good secret, as Basic', (t) => ({ ...basic(newTokenId(), t.secret) })],
  ['a client id in other letters', (t) => ({ ...pair(t.clientId.toUpperCase(), t.secret) })],
  ['an empty client id', (t) => ({ ...pair('', t.secret) })],
  ["another client's secret", async (t) => ({ ...pair(t.clientId, (await makeToken()).secret) })],
  ["another client's secret as Basic", async (t) => ({ ...basic(t.clientId, (await makeToken()).secret) })],
  ['a revoked token', async () => ({ ...(await makeToken({ revokedAt: NOW * 1000 - 1 })).pair })],
  ['a revoked token as Bearer', async () => ({ ...(await makeToken({ revokedAt: 1 })).bearer })],
  [
    'a revoked token that has expired as well',
    async () => ({ ...(await makeToken({ revokedAt: 1, expiresAt: 2 })).pair }),
  ],
  [
    'a wrong secret of an expired token',
    async () => {
      const { id } = await makeToken({ expiresAt: 1 });
      return { ...pair(id, newSecret(id)) };
    },
  ],
];

/** Ways to fail that the client can see for itself, so that the answer may say more. */
const MALFORMED: readonly [string, (t: ServiceToken) => Record<string, string>][] = [
  ['a typo in the secret', (t) => ({ ...pair(t.clientId, typo(t.secret)) })],
  ['a typo in the secret as Bearer', (t) => ({ ...bearer(typo(t.secret)) })],
  ['a secret cut short', (t) => ({ ...pair(t.clientId, t.secret.slice(0, -1)) })],
  ['an empty secret', (t) => ({ ...pair(t.clientId, '') })],
  ['a client id without a secret', (t) => ({ 'cf-access-client-id': t.clientId })],
  ['a secret without a client id', (t) => ({ 'cf-access-client-secret': t.secret })],
  ['another scheme', (t) => ({ authorization: `Digest ${t.secret}` })],
  ['a scheme alone', () => ({ authorization: 'Bearer' })],
  ['a token of nobody', () => ({ ...bearer('eyJhbGciOiJub25lIn0.e30.') })],
  ['a Bearer that is nothing', () => ({ ...bearer('x') })],
  ['no scheme', (t) => ({ authorization: t.secret })],
  ['Basic that is not base64', () => ({ authorization: 'Basic !!!' })],
  ['Basic without a colon', () => ({ authorization: `Basic ${btoa('nocolon')}` })],
  ['Basic with a broken escape', (t) => ({ ...basic('%zz', t.secret) })],
  ['Basic with a NUL in the client id', (t) => ({ ...basic('%00', t.secret) })],
  ['Basic that is not UTF-8', () => ({ authorization: `Basic ${btoa('\xff\xfe:secret')}` })],
];

const typo = (text: string): string => {
  const at = text.length - 20;
  return secret(text.slice(0, at) + (text[at] === 'x' ? 'y' : 'x') + text.slice(at + 1));
};

describe('a credential that fails', () => {
  it.each(FAILURES)('as %s gets the one dull 401', async (_why, present) => {
    const reply = await mint(await present(await makeToken()));
    expect(refusalOf(reply)).toEqual({
      status: 401,
      code: 'UNAUTHORIZED',
      message: 'a valid credential is needed',
    });
    expect(reply.headers.get('www-authenticate')).toMatch(/^Bearer .*Basic /);
    expect(reply.headers.get('cache-control')).toBe('no-store');
  });

  it.each(MALFORMED)('as %s gets a 401 that says no more than the client sees', async (_why, present) => {
    const token = await makeToken();
    const [known, unknown] = [
      await mint(present(token)),
      await mint(present({ ...token, clientId: newTokenId() })),
    ];
    expect(refusal(known)).toBe('401 UNAUTHORIZED');
    expect(refusalOf(known)).toEqual(refusalOf(unknown));
    expect(known.headers.get('www-authenticate')).toMatch(/^Bearer .*Basic /);
  });

  it.each([...FAILURES, ...MALFORMED])('as %s is refused at the public agent, too', async (_why, present) => {
    expect(refusal(await mint(await present(await makeToken()), LOBBY))).toBe('401 UNAUTHORIZED');
  });

  it.each([
    ['a token', 1, undefined],
    ['a token, this very moment', NOW * 1000, undefined],
    ['a secret', undefined, 1],
  ])('because %s has expired says so to its holder', async (_what, expiresAt, secretExpiresAt) => {
    const token = await makeToken({
      ...(expiresAt && { expiresAt }),
      ...(secretExpiresAt && { secretExpiresAt }),
    });
    for (const headers of [token.pair, token.basic, token.bearer]) {
      const reply = await mint(headers);
      expect(refusal(reply)).toBe('401 TOKEN_EXPIRED');
      expect(reply.headers.get('www-authenticate')).toMatch(/^Bearer .*Basic /);
    }
  });

  it('hides whether there is such an agent', async () => {
    const wrong = bearer(newSecret());
    const replies = await Promise.all(
      ['counter', 'chat', 'nobody'].map((agent) => mint(wrong, { agent, instance: newInstance() })),
    );
    expect(new Set(replies.map((reply) => JSON.stringify(refusalOf(reply)))).size).toBe(1);
  });

  it('comes before the body is looked at', async () => {
    const wrong = bearer(newSecret());
    const replies = await Promise.all([
      call('/tickets', { method: 'POST', headers: { ...wrong, 'content-type': 'text/plain' }, body: '{' }),
      call('/tickets', {
        headers: { ...wrong, 'content-type': 'application/json' },
        body: 'x'.repeat(20_000),
      }),
    ]);
    expect(replies.map(refusal)).toEqual(['401 UNAUTHORIZED', '401 UNAUTHORIZED']);
  });
});
