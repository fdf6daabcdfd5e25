import { calculateJwkThumbprint } from 'jose';
import { beforeEach, describe, expect, it } from 'vitest';
import { flushOutbox } from '../src/revocation/outbox.ts';
import { startBroker } from './broker.ts';
import { COUNTER, call, LOBBY, mint, refusal, ticketOf, withoutFigures } from './call.ts';
import { NOW, setClock } from './clock.ts';
import { forgetKeys } from './databases.ts';
import { keyRows, publishedJwks } from './keys.ts';
import { delivered, eventsWith } from './record.ts';
import { headerOf, publishedKeys, verdict } from './tickets.ts';
import { makeToken, newSecret, pair } from './tokens.ts';

const OTHER_KEK = 'another-key-encryption-key-0123456789abcdeA';
const times = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);

beforeEach(forgetKeys);

describe('the first start', () => {
  it('makes one key, when 20 requests start two instances at once', async () => {
    const brokers = [startBroker(), startBroker()];
    const token = await makeToken();
    const answers = await Promise.all(
      brokers.flatMap(({ front }) =>
        times(10, async () => ticketOf(await mint(token.pair, COUNTER, { front }))),
      ),
    );
    const rows = await keyRows();
    expect(rows.map(({ generation, alg, purpose }) => [generation, alg, purpose])).toEqual([
      [1, 'ES256', 'ticket'],
    ]);
    expect(new Set(answers.map((answer) => headerOf(answer).kid))).toEqual(new Set([rows[0]?.kid]));
    for (const broker of brokers) {
      const keys = await publishedKeys(broker.front);
      for (const answer of answers) expect(await verdict(answer, keys)).toBe('accepted');
    }
  });

  it('makes one key, whichever of ten instances is asked for what', async () => {
    const fronts = times(10, () => startBroker().front);
    const replies = await Promise.all(
      fronts.flatMap((front) => [
        call('/.well-known/jwks.json', { front }),
        call('/readyz', { front }),
        mint(undefined, LOBBY, { front }),
      ]),
    );
    expect(new Set(replies.map(({ status }) => status))).toEqual(new Set([200, 201]));
    expect(await keyRows()).toHaveLength(1);
  });

  it('records the key once', async () => {
    const fronts = times(5, () => startBroker().front);
    await Promise.all(fronts.map((front) => mint(undefined, LOBBY, { front })));
    const [row] = await keyRows();
    await Promise.all(Array.from({ length: 5 }, () => flushOutbox(startBroker().ports)));
    await delivered();
    const events = await eventsWith('kid', row?.kid ?? '');
    expect(events.filter(({ type }) => type === 'key.created')).toEqual([
      expect.objectContaining({ outcome: 'success', at: NOW * 1000, kid: row?.kid }),
    ]);
  });

  it('is the only one: a second start signs with the same key', async () => {
    const [first, second] = [
      ticketOf(await mint(undefined, LOBBY, { front: startBroker().front })),
      ticketOf(await mint(undefined, LOBBY, { front: startBroker().front })),
    ];
    expect(headerOf(second).kid).toBe(headerOf(first).kid);
  });

  it('holds for an instance whose clock is behind that of the maker', async () => {
    const made = ticketOf(await mint(undefined, LOBBY, { front: startBroker().front }));
    setClock(-60);
    const behind = ticketOf(await mint(undefined, LOBBY, { front: startBroker().front }));
    expect(headerOf(behind).kid).toBe(headerOf(made).kid);
  });

  it('keeps the private half encrypted only', async () => {
    const { front } = startBroker();
    const [jwk] = await publishedJwks(front);
    const [row] = await keyRows();
    expect(row?.sealed).toMatch(/^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/);
    expect(atob((row?.sealed.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/'))).not.toContain(
      '"d"',
    );
    expect(row?.sealed).not.toContain(jwk?.x);
  });
});

describe('the key set', () => {
  it('holds public members only, under the thumbprint of the key', async () => {
    const { front } = startBroker();
    const reply = await call('/.well-known/jwks.json', { front });
    expect(reply.headers.get('content-type')).toMatch(/^application\/json/);
    expect(Object.keys(JSON.parse(reply.text))).toEqual(['keys']);
    const keys = await publishedJwks(front);
    expect(keys).toEqual([
      {
        kty: 'EC',
        crv: 'P-256',
        x: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
        y: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
        kid: expect.stringMatching(/^[A-Za-z0-9_-]{43}$/),
        alg: 'ES256',
        use: 'sig',
      },
    ]);
    for (const key of keys) expect(await calculateJwkThumbprint(key)).toBe(key.kid);
  });

  it('is for everyone, without a credential and whatever the credential', async () => {
    const { front } = startBroker();
    for (const headers of [
      {},
      { authorization: 'Bearer nonsense' },
      { authorization: 'x', 'cf-access-client-id': 'x' },
    ]) {
      expect((await call('/.well-known/jwks.json', { headers, front })).status).toBe(200);
    }
  });

  it('may be kept for a minute, and no longer than the rotation allows for', async () => {
    const { headers } = await call('/.well-known/jwks.json', { front: startBroker().front });
    expect(headers.get('cache-control')).toBe('public, max-age=60');
  });

  it('is unchanged for who has it', async () => {
    const { front } = startBroker();
    const first = await call('/.well-known/jwks.json', { front });
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[^"]+"$/);
    for (const known of [etag, `W/${etag}`, `"other", ${etag}`, `"other",W/${etag}`, '*']) {
      const reply = await call('/.well-known/jwks.json', { headers: { 'if-none-match': known }, front });
      expect([known, reply.status, reply.text, reply.headers.get('etag')]).toEqual([known, 304, '', etag]);
      expect(reply.headers.get('cache-control')).toBe(first.headers.get('cache-control'));
    }
    for (const other of ['"other"', etag.slice(1, -1), `${etag}x`, '""']) {
      const reply = await call('/.well-known/jwks.json', { headers: { 'if-none-match': other }, front });
      expect([other, reply.status]).toEqual([other, 200]);
    }
  });
});

describe('with a wrong key-encryption key', () => {
  it('no ticket is made, no key is published and none is made', async () => {
    const good = startBroker();
    const ticket = ticketOf(await mint(undefined, LOBBY, { front: good.front }));
    const before = await keyRows();

    const { front } = startBroker({ settings: { KEK: OTHER_KEK } });
    const token = await makeToken();
    const replies = [
      await mint(token.pair, COUNTER, { front }),
      await mint(undefined, LOBBY, { front }),
      withoutFigures(await call('/readyz', { front })),
    ];
    for (const reply of replies) {
      expect(refusal(reply)).toBe('503 UNAVAILABLE');
      expect(Number(reply.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    expect((await call('/healthz', { front })).status).toBe(200);
    const published = await call('/.well-known/jwks.json', { front });
    if (published.status === 200) expect(JSON.parse(published.text)).toEqual({ keys: [] });
    else expect(refusal(published)).toBe('503 UNAVAILABLE');
    expect(await keyRows()).toEqual(before);

    expect(await verdict(ticket, await publishedKeys(startBroker().front))).toBe('accepted');
  });

  it('an empty set is nothing that a cache should keep', async () => {
    await mint(undefined, LOBBY, { front: startBroker().front });
    const { front } = startBroker({ settings: { KEK: OTHER_KEK } });
    const { headers } = await call('/.well-known/jwks.json', { front });
    expect(headers.get('cache-control')).toBe('no-store');
  });

  it('a refusal says that it is ours, for whatever agent: the credential was good', async () => {
    await mint(undefined, LOBBY, { front: startBroker().front });
    const { front } = startBroker({ settings: { KEK: OTHER_KEK } });
    const token = await makeToken();
    expect(refusal(await mint(token.pair, { agent: 'nobody' }, { front }))).toBe('503 UNAVAILABLE');
    expect(refusal(await mint(pair(token.clientId, newSecret()), COUNTER, { front }))).toBe(
      '401 UNAUTHORIZED',
    );
    await delivered();
    expect(await eventsWith('user_id', token.principal)).toEqual([]);
  });
});
