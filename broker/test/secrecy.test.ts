import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { base64url } from 'jose';
import { describe, expect, it } from 'vitest';
import { importKeyEncryptionKey, unseal } from '../src/keys/seal.ts';
import { assertion, serveCerts } from './access.ts';
import { startBroker } from './broker.ts';
import { COUNTER, call, LOBBY, mint, newInstance, type Reply, ticketOf } from './call.ts';
import { secret, secretCount, secretsIn } from './canaries.ts';
import { everyRow, failing } from './databases.ts';
import { accessToken, PLATFORM_SETTINGS, serveTenant, workloadToken } from './issuers.ts';
import { printed } from './printed.ts';
import { delivered, ringAlarms, withoutRecord } from './record.ts';
import { SETTINGS } from './settings.ts';
import { basic, bearer, makeToken, newSecret, pair } from './tokens.ts';

secret(SETTINGS.KEK);
secret(SETTINGS.TOKEN_PEPPER);

/** The private halves of every key there is. */
async function rememberPrivateKeys(): Promise<number> {
  const kek = await importKeyEncryptionKey(new Uint8Array(base64url.decode(SETTINGS.KEK)));
  const { results } = await env.CONTROL.prepare('SELECT kid, alg, purpose, sealed FROM signing_keys').all<{
    kid: string;
    alg: string;
    purpose: string;
    sealed: string;
  }>();
  let opened = 0;
  for (const row of results) {
    const jwk = await unseal(kek, row, row.sealed);
    if (jwk?.d === undefined) continue;
    secret(jwk.d);
    opened += 1;
  }
  return opened;
}

/** That nothing is printed is checked after each test of every file. */
const nothingKept = async (): Promise<void> => {
  expect(secretsIn((await everyRow()).join('\n')), 'no secret is in a row').toEqual([]);
};

/** Every way to present a credential, right and wrong. */
async function everyCredential(): Promise<Readonly<Record<string, string>>[]> {
  const good = await makeToken();
  const revoked = await makeToken({ revokedAt: 1 });
  const expired = await makeToken({ expiresAt: 1 });
  const wrong = newSecret();
  const cut = secret(good.secret.slice(0, -1));
  const ticket = ticketOf(await mint(good.pair)).ticket;
  return [
    ...[good, revoked, expired].flatMap((token) => [token.pair, token.basic, token.bearer]),
    ...[pair(good.clientId, wrong), basic(good.clientId, wrong), bearer(wrong)],
    ...[pair(good.clientId, cut), basic(good.clientId, cut), bearer(cut)],
    { authorization: `Digest ${wrong}` },
    { authorization: wrong },
    { ...good.pair, ...good.bearer },
    { 'cf-access-client-secret': wrong },
    { 'cf-access-client-id': wrong, 'cf-access-client-secret': wrong },
    await assertion(),
    await assertion({ aud: ['other'] }),
    await assertion({ exp: 1 }),
    await assertion({}, { header: { kid: 'unknown' } }),
    { cookie: `CF_Authorization=${Object.values(await assertion())[0]}`, origin: 'https://app.test' },
    bearer(await accessToken()),
    bearer(await accessToken({ exp: 1 })),
    bearer(await workloadToken()),
    bearer(await workloadToken({ sub: 'somebody' })),
    { 'cf-access-jwt-assertion': ticket },
    bearer(ticket),
  ];
}

describe('no credential, ticket or private key', () => {
  it('is printed or kept, whatever comes of a request', async () => {
    serveCerts();
    serveTenant();
    const { front } = startBroker({ settings: PLATFORM_SETTINGS });
    const answered = new Set<number>();
    for (const headers of await everyCredential()) {
      for (const request of [COUNTER, LOBBY, { agent: 'nobody', instance: 'default' }, { agent: '' }]) {
        const reply = await mint(headers, request, { front });
        if (reply.status === 201) ticketOf(reply);
        answered.add(reply.status);
      }
    }
    expect(answered).toEqual(new Set([201, 400, 401, 404]));
    expect(await rememberPrivateKeys()).toBeGreaterThan(0);
    await delivered();
    expect(secretCount()).toBeGreaterThan(30);
    await nothingKept();
  });

  it('is in any answer but the one that it is for', async () => {
    serveCerts();
    serveTenant();
    const { front } = startBroker({ settings: PLATFORM_SETTINGS });
    for (const headers of await everyCredential()) {
      for (const send of [
        () => mint(headers, { agent: 'nobody' }, { front }),
        () => mint(headers, { agent: '' }, { front }),
        () => call('/admin/keys', { headers, front }),
        () => call('/admin/keys/rotate', { headers, json: {}, front }),
        () => call('/nowhere', { headers, front }),
      ]) {
        const reply = await send();
        expect(secretsIn(whole(reply))).toEqual([]);
      }
    }
  });

  it('is repeated where a client puts it into the wrong place', async () => {
    const { front } = startBroker();
    const token = await makeToken();
    const { ticket } = ticketOf(await mint(token.pair, COUNTER, { front }));
    for (const canary of [ticket, token.secret]) {
      const replies = [
        await call(`/${canary}`, { front }),
        await call(`/tickets/${canary}`, { front }),
        await call(`/healthz?ticket=${canary}`, { front }),
        await call(`/tickets?ticket=${canary}`, { front }),
        await mint({ ...token.pair, origin: canary, 'x-request-id': canary }, { agent: canary }, { front }),
        await mint(token.pair, { ...COUNTER, [canary]: canary }, { front }),
        await mint(token.pair, { ...COUNTER, scope: canary, transport: canary }, { front }),
        await call('/tickets', { headers: token.pair, method: 'POST', body: canary, front }),
      ];
      expect(replies.flatMap((reply) => secretsIn(whole(reply)))).toEqual([]);
    }
    await delivered();
    await nothingKept();
  });

  it('is printed when a database fails, which quotes what it was asked', async () => {
    const token = await makeToken();
    const { ticket } = ticketOf(await mint(token.pair));
    for (const message of [
      'D1_ERROR: Network connection lost.',
      'D1_ERROR: no such table: nothing: SQLITE_ERROR',
    ]) {
      const quoting = failing(env.CONTROL, (sql) => new Error(`${message} ${sql} ${token.secret} ${ticket}`));
      const { front } = startBroker({ control: quoting });
      const mistaken = pair(token.secret, token.secret);
      for (const headers of [token.pair, token.basic, token.bearer, mistaken]) {
        const reply = await mint(headers, COUNTER, { front });
        // A client id that is not the secret's own needs no database to be refused.
        if (headers === mistaken) expect(reply.status).toBe(401);
        else expect(reply.status).toBeGreaterThanOrEqual(500);
        expect(secretsIn(whole(reply))).toEqual([]);
      }
    }
    await nothingKept();
  });

  it('is printed while events wait for the record database', async () => {
    const token = await makeToken();
    await withoutRecord(async () => {
      ticketOf(await mint(token.pair, { agent: 'counter', instance: newInstance() }));
      await eventually(async () => expect(printed.join('\n')).toContain('record_delivery_failed'));
      await nothingKept();
    });
    await ringAlarms();
    await delivered();
    await nothingKept();
  });

  it('is in the log of a bug', async () => {
    const token = await makeToken();
    const broken = () => Promise.reject(new TypeError(`cannot mint for ${token.secret}`));
    const { front } = startBroker({ runtime: { shard: { mint: broken, mintBatch: broken, count: broken } } });
    expect((await mint(token.pair, COUNTER, { front })).status).toBe(500);
    expect(printed.join('\n')).toContain('"event":"bug"');
    await nothingKept();
  });
});

const whole = ({ headers, text }: Reply): string => `${JSON.stringify([...headers])} ${text}`;
