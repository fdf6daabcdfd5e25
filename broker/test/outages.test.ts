import { env } from 'cloudflare:workers';
import { describe, expect, it } from 'vitest';
import { DEFAULT_SHARDS } from '../src/mint/shard.ts';
import { mintShards } from '../src/mint/shard-object.ts';
import { startBroker } from './broker.ts';
import {
  COUNTER,
  call,
  expectRefusal,
  type Front,
  LOBBY,
  mint,
  type Reply,
  refusal,
  refusalOf,
  ticketOf,
  withoutFigures,
} from './call.ts';
import { NOW } from './clock.ts';
import { failing } from './databases.ts';
import { keyRows } from './keys.ts';
import { printed } from './printed.ts';
import { delivered, eventsWith } from './record.ts';
import { makeToken, newSecret, pair } from './tokens.ts';

/** What D1 and Durable Objects say when they cannot serve now. */
const OUTAGES = [
  'D1_ERROR: Network connection lost.',
  'D1_ERROR: D1 DB is overloaded. Requests queued for too long.',
  'D1_ERROR: D1 DB is overloaded. Too many requests queued.',
  'D1_ERROR: D1 DB reset because its code was updated.',
  'D1_ERROR: D1 DB storage operation exceeded timeout which caused object to be reset.',
  'D1_ERROR: Internal error while starting up D1 DB storage caused object to be reset.',
  'D1_ERROR: internal error; reference = 0123456789abcdef',
  'D1_ERROR: database or disk is full: SQLITE_FULL',
  'D1_ERROR: database is locked: SQLITE_BUSY',
  'D1_ERROR: disk I/O error: SQLITE_IOERR',
  'D1_ERROR: Currently processing a long-running export.',
  'D1_ERROR: a sentence that no version has said yet',
];

/** What they say when we are at fault. */
const BUGS = [
  'D1_ERROR: no such column: colour at offset 7: SQLITE_ERROR',
  'D1_ERROR: near "SELEKT": syntax error at offset 0: SQLITE_ERROR',
  'D1_ERROR: UNIQUE constraint failed: grants.id: SQLITE_CONSTRAINT',
  "D1_TYPE_ERROR: Type 'undefined' not supported for value 'undefined'",
];

const expectOutage = (reply: Reply): void => {
  expectRefusal(reply, '503 UNAVAILABLE');
  expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(reply.headers.get('www-authenticate')).toBeNull();
};

/** A broker whose policy database fails wherever the pattern meets the statement. */
function withControl(message: string, where: RegExp = /./) {
  const outage = { active: true };
  const control = failing(env.CONTROL, (sql) =>
    outage.active && where.test(sql) ? new Error(message) : undefined,
  );
  return { outage, ...startBroker({ control }) };
}

describe('while the policy database is out of reach', () => {
  it.each(OUTAGES)('(%s) every request that needs it is asked to come again', async (message) => {
    const { front } = withControl(message);
    const token = await makeToken({ permissions: ['keys:read', 'keys:rotate'] });
    for (const headers of [token.pair, token.basic, token.bearer, undefined]) {
      expectOutage(await mint(headers, LOBBY, { front }));
    }
    expectOutage(await call('/admin/keys', { headers: token.pair, front }));
    expectOutage(await call('/admin/keys/rotate', { headers: token.pair, json: {}, front }));
    expectOutage(await call('/.well-known/jwks.json', { front }));
    expectOutage(withoutFigures(await call('/readyz', { front })));
  });

  it.each([
    ['the service token', /service_token/],
    ['grants and locks', /grants|locks/],
    ['the keys', /signing_keys/],
  ])('no ticket is made where only %s cannot be read', async (_what, where) => {
    const { front } = withControl('D1_ERROR: Network connection lost.', where);
    const token = await makeToken();
    expectOutage(await mint(token.pair, COUNTER, { front }));
    await delivered();
    expect(await eventsWith('user_id', token.principal)).toEqual([]);
  });

  it('a wrong credential is not called wrong', async () => {
    const { front } = withControl('D1_ERROR: Network connection lost.');
    const token = await makeToken();
    const wrong = pair(token.clientId, newSecret(token.id));
    expectOutage(await mint(wrong, COUNTER, { front }));
  });

  it('what needs no database is answered as ever', async () => {
    const { front } = withControl('D1_ERROR: Network connection lost.');
    const malformed = { authorization: 'Bearer atk_short' };
    expect((await call('/healthz', { front })).status).toBe(200);
    expect(refusal(await mint(malformed, COUNTER, { front }))).toBe('401 UNAUTHORIZED');
    expect(refusal(await mint(undefined, {}, { front }))).toBe('400 BAD_REQUEST');
    expect(refusal(await call('/nowhere', { front }))).toBe('404 NOT_FOUND');
    expect(refusal(await call('/admin/keys', { front }))).toBe('401 UNAUTHORIZED');
  });

  it('keys that were read are not used unseen, and no key is made', async () => {
    const { front, outage } = withControl('D1_ERROR: Network connection lost.', /signing_keys/);
    const token = await makeToken();
    outage.active = false;
    ticketOf(await mint(token.pair, COUNTER, { front }));
    outage.active = true;
    expectOutage(await mint(token.pair, COUNTER, { front }));
    outage.active = false;
    ticketOf(await mint(token.pair, COUNTER, { front }));
    expect(await keyRows()).toHaveLength(1);
  });

  it('it recovers by itself', async () => {
    const { front, outage } = withControl('D1_ERROR: Network connection lost.');
    const token = await makeToken();
    expectOutage(await mint(token.pair, COUNTER, { front }));
    outage.active = false;
    ticketOf(await mint(token.pair, COUNTER, { front }));
  });

  it('the log has an outage and no bug', async () => {
    const { front } = withControl('D1_ERROR: Network connection lost.');
    await mint((await makeToken()).pair, COUNTER, { front });
    expect(printed.some((line) => line.includes('"event":"outage"'))).toBe(true);
    expect(printed.some((line) => line.includes('"event":"bug"'))).toBe(false);
  });

  it('a use that cannot be noted refuses nothing', async () => {
    const broker = withControl('D1_ERROR: Network connection lost.', /^update .service_tokens/i);
    ticketOf(await mint((await makeToken()).pair, COUNTER, { front: broker.front }));
    await broker.settled();
  });
});

describe('a fault of ours in a query', () => {
  it.each(BUGS)('(%s) is an opaque 500, logged as a bug', async (message) => {
    const { front, outage } = withControl(message, /grants|locks/);
    const token = await makeToken();
    outage.active = false;
    ticketOf(await mint(token.pair, COUNTER, { front }));
    outage.active = true;
    const reply = await mint(token.pair, COUNTER, { front });
    expectRefusal(reply, '500 INTERNAL');
    expect(refusalOf(reply).message).toBe('internal error');
    expect(printed.some((line) => line.includes('"event":"bug"'))).toBe(true);
  });
});

describe('a table that is missing', () => {
  const MISSING = 'D1_ERROR: no such table: grants: SQLITE_ERROR';
  const outages = () => printed.filter((line) => line.includes('"event":"outage"'));

  it('before anything was answered is an outage, and the log says that migrations are missing', async () => {
    const { front, outage } = withControl(MISSING, /from|into|update/i);
    const token = await makeToken();
    const key = await call('/.well-known/jwks.json', { front });
    for (const reply of [
      key,
      await mint(token.pair, COUNTER, { front }),
      await mint(undefined, LOBBY, { front }),
    ])
      expectOutage(reply);
    expectOutage(withoutFigures(await call('/readyz', { front })));
    expect(outages().length).toBeGreaterThan(0);
    for (const line of outages()) expect(line).toContain('apply its migrations');
    outage.active = false;
    ticketOf(await mint(token.pair, COUNTER, { front }));
  });
});

describe('while the mint shard cannot keep an event', () => {
  const broken = (message: string): Front => {
    const lost = () => Promise.reject(new Error(message));
    return startBroker({ runtime: { shard: { mint: lost, mintBatch: lost, count: lost } } }).front;
  };

  it.each([
    'Network connection lost.',
    'Durable Object is overloaded. Requests queued for too long.',
    'Durable Object reset because its code was updated.',
    'Durable Object storage operation exceeded timeout which caused object to be reset.',
    'internal error; reference = 0123456789abcdef',
  ])('(%s) no ticket is issued, with a credential or without one', async (message) => {
    const front = broken(message);
    const token = await makeToken();
    for (const reply of [
      await mint(token.pair, COUNTER, { front }),
      await mint(undefined, LOBBY, { front }),
    ]) {
      expectOutage(reply);
      expect(reply.text).not.toContain('eyJ');
    }
  });

  it('no ticket leaves when it is a bug, either', async () => {
    const reply = await mint((await makeToken()).pair, COUNTER, { front: broken('a bug') });
    expectRefusal(reply, '500 INTERNAL');
    expect(reply.text).not.toContain('eyJ');
  });

  it('the key set is served as ever', async () => {
    expect((await call('/.well-known/jwks.json', { front: broken('Network connection lost.') })).status).toBe(
      200,
    );
  });
});

/** Asks, and nothing ever answers. */
const forEver = <T extends object>(target: T, methods: readonly string[]): T =>
  new Proxy(target, {
    get(from, name) {
      if (methods.includes(String(name))) return () => new Promise(() => {});
      const member: unknown = Reflect.get(from, name, from);
      return typeof member === 'function' ? member.bind(from) : member;
    },
  });

describe('while something on the way hangs', () => {
  it.each([
    [
      'the policy database',
      () => {
        const statement = forEver(env.CONTROL.prepare('SELECT 1'), ['all', 'run', 'raw', 'first']);
        const bound = new Proxy(statement, {
          get: (from, name) => (name === 'bind' ? () => statement : Reflect.get(from, name)),
        });
        const control = new Proxy(forEver(env.CONTROL, ['batch']), {
          get: (from, name) => (name === 'prepare' ? () => bound : Reflect.get(from, name)),
        });
        return startBroker({ control });
      },
    ],
    [
      'the mint shard',
      () => {
        const namespace = new Proxy(env.MINT_SHARD, {
          get(from, name) {
            const member: unknown = Reflect.get(from, name, from);
            if (typeof member !== 'function') return member;
            if (name !== 'get') return member.bind(from);
            return (id: DurableObjectId) => forEver(from.get(id), ['mint']);
          },
        });
        return startBroker({ runtime: { shard: mintShards(namespace, DEFAULT_SHARDS) } });
      },
    ],
  ])('(%s) the caller has an answer in bounded time, and no ticket', async (_what, start) => {
    const { front } = start();
    const reply = await mint((await makeToken()).pair, COUNTER, { front });
    expectOutage(reply);
    expect(reply.text).not.toContain('eyJ');
  });
});

describe('readiness', () => {
  it('is said when a ticket could be minted', async () => {
    const reply = await call('/readyz');
    expect([reply.status, JSON.parse(reply.text)]).toEqual([
      200,
      expect.objectContaining({ status: 'ready' }),
    ]);
  });

  const away = 'D1_ERROR: Network connection lost.';
  const ready = async (front: Front) => {
    const { status, text } = await call('/readyz', { front });
    return [status, JSON.parse(text)];
  };

  it('stays without the record database, for which events wait, and says so', async () => {
    const record = failing(env.RECORD, () => new Error(away));
    const { front } = startBroker({ record });
    expect(await ready(front)).toMatchObject([200, { mint: true, verify: true, record: false }]);
    ticketOf(await mint((await makeToken()).pair, COUNTER, { front }));
  });

  it('names a backlog that no delivery has taken for a minute', async () => {
    const waiting = (age: number) => async () => ({
      events: 1,
      agents: { objects: 0, events: 0 },
      since: (NOW - age) * 1000,
    });
    for (const [age, record] of [
      [60, true],
      [61, false],
    ] as const) {
      const shard = { ...mintShards(env.MINT_SHARD, DEFAULT_SHARDS), waiting: waiting(age) };
      const { front } = startBroker({ runtime: { shard } });
      expect(await ready(front)).toMatchObject([200, { mint: true, record, waiting_age: age }]);
    }
  });

  it.each([
    ['the policy database', { mint: false, verify: false, record: true }, () => withControl(away).front],
    [
      'the mint shards',
      { mint: false, verify: true, record: true },
      () => {
        const lost = () => Promise.reject(new Error('Network connection lost.'));
        return startBroker({ runtime: { shard: { mint: lost, mintBatch: lost, count: lost } } }).front;
      },
    ],
  ])('ends without %s, and says what is left; liveness does not end', async (_what, left, start) => {
    const front = start();
    const [status, body] = await ready(front);
    // Without shards to ask, events and their backlog are those of one database.
    expect([status, body]).toMatchObject([
      503,
      { error: { code: 'UNAVAILABLE' }, mint: left.mint, verify: left.verify },
    ]);
    expectOutage(await mint(undefined, LOBBY, { front }));
    const alive = await call('/healthz', { front });
    expect([alive.status, JSON.parse(alive.text)]).toEqual([200, { status: 'ok' }]);
  });
});
