import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { AGENTS } from '../../../../agents.ts';
import { PERMISSIONS } from '../../../src/credentials/permissions.ts';
import { mintShardInProcess } from '../../../src/mint/shard-node.ts';
import { ROUTES } from '../../../src/resources/routes.ts';
import { runScheduled } from '../../../src/runtime/scheduled.ts';
import { secret, secretCount, secretsIn } from '../../canaries.ts';
import { cookiesOf, freezeClock, logoutToken } from '../auth0-session/tenant.ts';
import { BROKER, basic, COUNTER } from '../start-broker.ts';
import { openSecrecySetup, type Presented, type SecrecySetup } from './setup.ts';

let setup: SecrecySetup;
const printed: string[] = [];

freezeClock();
beforeAll(async () => {
  setup = await openSecrecySetup();
});
beforeEach(() => {
  // A test that signs the person out must not end the credentials of the next one.
  setup.at.broker.clock.now += 1;
  printed.length = 0;
  for (const method of ['log', 'info', 'warn', 'error', 'debug'] as const)
    vi.spyOn(console, method).mockImplementation((...words) => {
      printed.push(words.map(String).join(' '));
    });
});
afterEach(async () => {
  vi.restoreAllMocks();
  await runScheduled(setup.at.broker.ports);
  for (const command of setup.at.broker.commands) secret(command);
  expect(await setup.rememberPrivateKeys()).toBeGreaterThan(1);
  expect(secretsIn(printed.join('\n')), 'printed').toEqual([]);
  expect(secretsIn(JSON.stringify(setup.at.broker.logged)), 'logged').toEqual([]);
  expect(secretsIn(await setup.everythingKept()), 'kept').toEqual([]);
});

interface Asked {
  readonly method: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}
type Place = 'body' | 'set-cookie' | 'location';

/** Asks, and looks for secrets everywhere in the answer but where they belong. Answers what came. */
async function ask(
  { method, path, headers = {}, body }: Asked,
  belongs: readonly Place[] = [],
  app = setup.at.broker.app,
) {
  // From elsewhere each time: what is refused by address is not read.
  setup.at.broker.caller.address = crypto.randomUUID();
  const answer = await app.request(`${BROKER}${path}`, {
    method,
    headers,
    ...(body === undefined ? {} : { body }),
  });
  const text = await answer.text();
  const seen = [...answer.headers].filter(([name]) => !belongs.some((header) => header === name));
  const found = secretsIn(JSON.stringify([seen, belongs.includes('body') ? '' : text]));
  expect(found, `in the answer of ${method} ${path.slice(0, 24)}`).toEqual([]);
  return { answer, text, json: (): unknown => JSON.parse(text) };
}

/** Methods of the stores that write. */
const WRITES = ['change', 'noteUse', 'use', 'count', 'write', 'deliver', 'deliverChange', 'take', 'done'];
const JSON_TYPE = { 'content-type': 'application/json' };
const FORM_TYPE = { 'content-type': 'application/x-www-form-urlencoded' };
const FORM_NAMES = [
  'client_id',
  'client_secret',
  'subject_token',
  'actor_token',
  'logout_token',
  'token',
  'resource',
  'scope',
  'code',
];
const FIELDS = [
  'agent',
  'instance',
  'scope',
  'transport',
  'subject',
  'role',
  'reason',
  'name',
  'target',
  'principal',
  'tier',
  'alg',
  'activate',
];

const valuesOf = <T>(names: readonly string[], value: T): Record<string, T> =>
  Object.fromEntries(names.map((name) => [name, value]));

/** A text in every place of a request in which somebody may put it by mistake. */
function* misplaced(text: string): Generator<Asked> {
  const inQuery = new URLSearchParams(
    valuesOf(
      [
        'ticket',
        'code',
        'state',
        'error',
        'error_description',
        'limit',
        'cursor',
        'after',
        'type',
        'principal',
        'agent',
        'instance',
        'active',
      ],
      text,
    ),
  );
  for (const { method, path } of ROUTES) {
    const at = path.replaceAll(/:\w+/g, encodeURIComponent(text));
    yield { method, path: `${at}?${inQuery}` };
    if (method !== 'POST') continue;
    for (const body of [
      `{"agent": "${text}"`,
      text,
      JSON.stringify(text),
      JSON.stringify(valuesOf(FIELDS, text)),
      JSON.stringify(valuesOf(FIELDS, [{ [text]: text }])),
      JSON.stringify({ agent: 'counter', [text]: text }),
    ])
      yield { method, path: at, headers: JSON_TYPE, body };
    yield {
      method,
      path: at,
      headers: FORM_TYPE,
      body: String(new URLSearchParams(valuesOf(FORM_NAMES, text))),
    };
    yield { method, path: at, headers: { 'content-type': text.slice(0, 40) }, body: text };
  }
  for (const method of ['GET', 'POST', 'PUT', 'OPTIONS']) {
    yield { method, path: `/${text}/${text}?${inQuery}` };
    yield { method, path: `/tickets/${text}?ticket=${text}` };
  }
  yield {
    method: 'GET',
    path: '/me',
    headers: { 'user-agent': text, origin: text, 'x-request-id': text, referer: text },
  };
}

/** A limit would refuse most of the requests before their handlers have seen them. */
const forgetCounts = () =>
  setup.at.broker.ports.record.rates.purge(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);

/** What the answers to those were, so that nobody takes a test for one that asks nothing. */
async function misplaceAll({ text, headers }: Presented, app = setup.at.broker.app): Promise<Set<number>> {
  const statuses = new Set<number>();
  for (const asked of misplaced(text)) {
    await forgetCounts();
    const { answer } = await ask({ ...asked, headers: { ...headers, ...asked.headers } }, [], app);
    statuses.add(answer.status);
  }
  return statuses;
}

describe('nothing of a credential, ticket or private key is printed, logged, kept or answered', () => {
  it('whichever good credential is put into the wrong place as well', async () => {
    const statuses = new Set<number>();
    for (const presented of await setup.good()) {
      await forgetCounts();
      expect(
        (await ask({ method: 'GET', path: '/me', headers: presented.headers })).answer.status,
        presented.what,
      ).toBe(200);
      for (const status of await misplaceAll(presented)) statuses.add(status);
    }
    expect([...statuses].sort()).toEqual(expect.arrayContaining([200, 400, 403, 404]));
  });

  it('whichever bad one is shown', async () => {
    for (const presented of await setup.bad()) {
      const { answer } = await ask({ method: 'GET', path: '/me', headers: presented.headers });
      expect([400, 401, 429], presented.what).toContain(answer.status);
      await misplaceAll(presented);
    }
  });

  it('whatever an operator does', async () => {
    const { broker } = setup.at;
    const root = await broker.makeServiceToken({ tier: 'admin', permissions: PERMISSIONS });
    secret(root.clientSecret);
    const headers = { ...basic(root.clientId, root.clientSecret), ...JSON_TYPE };
    const did = async (method: string, path: string, wish?: object, belongs: readonly Place[] = []) => {
      const { answer, text } = await ask(
        { method, path, headers, ...(wish === undefined ? {} : { body: JSON.stringify(wish) }) },
        belongs,
      );
      expect(answer.status, `${method} ${path} ${text.slice(0, 99)}`).toBeLessThan(300);
      return Answer.parse(text.startsWith('{') && !text.includes('\n') ? JSON.parse(text) : {});
    };
    secret((await did('POST', '/tickets', { agent: 'counter' }, ['body'])).ticket ?? '');
    await did('POST', '/explain', { agent: 'counter', instance: 'main' });
    const made = await did('POST', '/admin/service-tokens', { name: 'one more' }, ['body']);
    secret(made.client_secret ?? '');
    secret((await did('POST', `/admin/service-tokens/${made.id}/rotate`, {}, ['body'])).client_secret ?? '');
    const wish = { agent: 'counter', instance: 'main', role: 'viewer', reason: 'test' };
    const grant = await did('POST', '/admin/grants', { subject: `token:${made.id}`, ...wish });
    const lock = await did('POST', '/admin/locks', {
      target: { kind: 'instance', agent: 'counter', instance: 'elsewhere' },
      reason: 'test',
    });
    const rotated = await did('POST', '/admin/keys/rotate', { activate: 'now' });
    await setup.rememberPrivateKeys();
    await did('POST', '/admin/keys/reseal');
    await did('POST', `/admin/keys/${rotated.kid}/revoke`);
    for (const path of ['service-tokens', 'grants', 'locks', 'keys', 'agents/sessions', 'agents/audit'])
      await did('GET', `/admin/${path}`);
    await did('GET', '/admin/agents/audit/export');
    await did('GET', '/admin/agents/audit/checkpoints');
    await did('GET', `/admin/service-tokens/${made.id}`);
    await did('DELETE', `/admin/grants/${grant.id}`);
    await did('DELETE', `/admin/locks/${lock.id}`);
    await did('DELETE', `/admin/service-tokens/${made.id}`);
  });

  it('at the token endpoint, as a client’s secret, a subject’s and an actor’s token', async () => {
    const { clientId, clientSecret } = await setup.at.broker.makeServiceToken();
    const client = { client_id: clientId, client_secret: secret(clientSecret) };
    const [subject, actor] = [await setup.accessToken(), await setup.accessToken('bot@clients')];
    const exchange = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: subject,
      subject_token_type: TOKEN_TYPE,
      actor_token: actor,
      actor_token_type: TOKEN_TYPE,
      resource: COUNTER,
    };
    const forms: readonly Record<string, string>[] = [
      { grant_type: 'client_credentials', resource: COUNTER, ...client },
      exchange,
      { ...exchange, ...client },
    ];
    for (const form of forms) {
      const good = await ask({ method: 'POST', path: '/token', headers: FORM_TYPE, body: formOf(form) }, [
        'body',
      ]);
      expect(good.answer.status, good.text).toBe(200);
      secret(Answer.parse(good.json()).access_token ?? '');
      for (const name of Object.keys(form)) {
        const { [name]: value = '', ...rest } = form;
        for (const other of [
          {},
          { [name]: value.slice(0, -4) },
          { [name]: subject },
          { [name]: clientSecret },
        ])
          await ask(
            { method: 'POST', path: '/token', headers: FORM_TYPE, body: formOf({ ...rest, ...other }) },
            other[name] === value ? ['body'] : [],
          );
      }
    }
  });

  it('on the way through a sign-in, with its code, state and cookies, and out again', async () => {
    const { at } = setup;
    const code = secret('code-of-the-tenant-0123456789');
    const failures: readonly (readonly [string, (() => Response) | undefined])[] = [
      [`code=${code}&state=other-${code}`, undefined],
      [`error=${code}&error_description=${code}`, undefined],
      [`code=${code}`, () => Response.json({ error: code, error_description: code }, { status: 400 })],
      [`code=${code}`, () => new Response(code, { status: 502 })],
      [`code=${code}`, () => Response.json({ id_token: code, access_token: code, token_type: code })],
      [
        `code=${code}`,
        () => {
          throw new TypeError(`cannot ask with ${code}`);
        },
      ],
    ];
    const leave = async () => {
      const left = await at.leave();
      secret(left.state);
      secret(left.cookie.slice('login_appSession='.length));
      return left;
    };
    for (const [query, tokenAnswer] of failures) {
      at.tokenAnswer = tokenAnswer;
      const { cookie, state } = await leave();
      const path = `/auth/callback?${query}${query.includes('state=') ? '' : `&state=${state}`}`;
      const { answer } = await ask({ method: 'GET', path, headers: { cookie } });
      expect(answer.status, query).toBeGreaterThanOrEqual(400);
    }
    at.tokenAnswer = undefined;
    const { cookie, state } = await leave();
    const path = `/auth/callback?code=${code}&state=${state}`;
    const { answer } = await ask({ method: 'GET', path, headers: { cookie } }, ['set-cookie']);
    expect(answer.status).toBe(302);
    const session = cookiesOf(answer);
    secret(session.slice('appSession='.length));
    const out = await ask({ method: 'GET', path: '/auth/logout', headers: { cookie: session } });
    expect(out.answer.status).toBe(302);
  });

  it('with a logout token, right, wrong or twice', async () => {
    const token = secret(await logoutToken(setup.at));
    const tokens = [token, token, `${token}A`, secret(await logoutToken(setup.at, { aud: 'other' }))];
    const statuses = [];
    for (const logout_token of tokens) {
      const body = formOf({ logout_token });
      const { answer } = await ask({
        method: 'POST',
        path: '/auth/backchannel-logout',
        headers: FORM_TYPE,
        body,
      });
      statuses.push(answer.status);
    }
    expect(statuses).toEqual([204, 400, 400, 400]);
  });

  it.each<[string, 'control' | 'record', readonly string[] | undefined]>([
    ['the control database answers nothing', 'control', undefined],
    ['the control database takes nothing', 'control', WRITES],
    ['the record database answers nothing', 'record', undefined],
    ['the record database takes nothing', 'record', WRITES],
  ])('when %s, and says so in the words of what it was asked', async (_how, which, methods) => {
    const { runtime, logged, ports } = setup.at.broker;
    for (const says of ['SQLITE_BUSY: database is locked', 'SQLITE_ERROR: no such column']) {
      const presented = await setup.good();
      const quoted = presented.map(({ text }) => text).join(' ');
      const fault = () => new Error(`${says} near ${quoted}\n    at ${quoted}`, { cause: new Error(quoted) });
      const stores = {
        control: runtime.control,
        record: runtime.record,
        [which]: throwing(runtime[which], methods, fault),
      };
      const { config } = ports;
      const shard = mintShardInProcess(
        { registry: AGENTS, control: stores.control, config, randomId: runtime.randomId },
        stores.record,
        runtime.clock,
      );
      const parts = { ...stores, shard };
      const before = logged.length;
      const statuses = new Set<number>();
      for (const each of presented) {
        for (const status of await misplaceAll(each, setup.at.broker.beside(parts))) statuses.add(status);
      }
      expect(statuses).toContain(says.includes('BUSY') ? 503 : 500);
      expect(logged.slice(before).some(({ event }) => event === 'bug' || event === 'outage')).toBe(true);
    }
  });

  it('and there was much to find', () => {
    expect(secretCount()).toBeGreaterThan(200);
  });
});

const TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';
const Answer = z.looseObject({
  id: z.string().optional(),
  kid: z.string().optional(),
  ticket: z.string().optional(),
  access_token: z.string().optional(),
  client_secret: z.string().optional(),
});
const formOf = (form: Readonly<Record<string, string>>): string => String(new URLSearchParams(form));

/** A store of which some methods throw, or all. */
const throwing = <T extends object>(
  store: T,
  methods: readonly string[] | undefined,
  fault: () => Error,
): T =>
  new Proxy(store, {
    get(from, name) {
      const member: unknown = Reflect.get(from, name, from);
      if (typeof member === 'object' && member !== null) return throwing(member, methods, fault);
      if (typeof member !== 'function') return member;
      if (methods === undefined || methods.includes(String(name)))
        return () => {
          throw fault();
        };
      return member.bind(from);
    },
  });
