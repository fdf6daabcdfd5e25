import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { ALICE } from '../auth0.ts';
import { rowsOf } from '../folder.ts';
import { insertGrant, insertServiceToken } from '../service-token.ts';
import { BROKER, NOW } from '../start-broker.ts';
import { accessToken, freezeClock, mint, openTenant, type TenantSetup } from './tenant.ts';

freezeClock();
let at: TenantSetup;
let operator: Record<string, string>;

async function operatorWith(permissions: readonly string[], agents?: readonly string[]) {
  const { control, config } = at.broker.ports;
  const { clientId, clientSecret } = await insertServiceToken(control, config.tokenPepper, {
    ...{ permissions, tier: 'admin' },
    ...(agents && { agents }),
  });
  return { authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}` };
}

const forget = (principal: string, headers = operator) =>
  at.broker.app.request(`${BROKER}/admin/principals/forget`, {
    method: 'POST',
    headers: { ...headers, 'content-type': 'application/json' },
    body: JSON.stringify({ principal, reason: 'asked by the person' }),
  });
const table = (name: string) => rowsOf(`${at.broker.folder}/control.db`, `SELECT * FROM ${name}`);
const Forgotten = z.object({
  principal: z.string(),
  owned: z.array(z.object({ agent: z.string(), instance: z.string() })),
  receipt: z.object({ pending: z.number() }),
});

beforeEach(async () => {
  at = await openTenant();
  operator = await operatorWith(['principals:forget']);
});

describe('a principal that is forgotten', () => {
  it('has no label, no last sight, no sign-in and no grant, and nothing in the tables says more', async () => {
    const { cookie } = await at.signIn();
    expect(await mint(at, { cookie })).toBe(201);
    await insertGrant(at.broker.ports.control, ALICE, 'counter', 'viewer');
    const answer = await forget(ALICE);
    expect([answer.status, Forgotten.parse(await answer.json())]).toMatchObject([
      200,
      { principal: ALICE, owned: [] },
    ]);
    expect(await table('auth_sessions')).toEqual([]);
    expect(await table('principals')).toEqual([
      expect.objectContaining({ id: ALICE, label: null, last_seen_at: null }),
    ]);
    const [grant] = await table('grants');
    expect(grant).toMatchObject({ subject: expect.stringMatching(/^forgotten:/), reason: '' });
    const rows = await Promise.all(
      ['principals', 'auth_sessions', 'grants', 'revocations', 'outbox'].map(table),
    );
    expect(JSON.stringify(rows)).not.toContain('people.test');
  });

  it('gets no ticket by a credential from before, and its sessions end', async () => {
    const { cookie } = await at.signIn();
    const bearer = await accessToken(at, NOW);
    await mint(at, { cookie });
    expect((await forget(ALICE)).status).toBe(200);
    expect([await mint(at, { cookie }), await mint(at, bearer)]).toEqual([401, 401]);
    const targets = (await table('revocations')).map(({ target }) => target);
    expect(targets).toContain(`principal:${ALICE}`);
  });

  it('is in the audit log as before, with who forgot it and why', async () => {
    const { cookie } = await at.signIn();
    await mint(at, { cookie });
    const before = at.broker.events.length;
    await forget(ALICE);
    expect(at.broker.events.slice(before)).toEqual([
      expect.objectContaining({
        type: 'principal.forgotten',
        details: { target: `principal:${ALICE}`, reason: 'asked by the person' },
      }),
    ]);
    expect(at.broker.events.some(({ principal }) => principal === ALICE)).toBe(true);
  });

  it('may be forgotten again, which reaches objects that did not answer', async () => {
    const { cookie } = await at.signIn();
    await mint(at, { cookie });
    expect([(await forget(ALICE)).status, (await forget(ALICE)).status]).toEqual([200, 200]);
  });
});

describe('forgetting is refused', () => {
  it.each([
    ['of nobody', 'auth0:tenant.test:auth0|nobody', 404],
    ['of a service token, which is deleted', `token:svc_${'1'.repeat(22)}`, 400],
    ['of an address', 'email:alice@people.test', 400],
    ['of a label', 'alice@people.test', 400],
  ])('%s', async (_what, principal, status) => {
    expect((await forget(principal)).status).toBe(status);
  });

  it('without the permission, and by a token of some agents', async () => {
    const { cookie } = await at.signIn();
    await mint(at, { cookie });
    for (const headers of [
      await operatorWith(['sessions:terminate', 'grants:write']),
      await operatorWith(['principals:forget'], ['counter']),
      { cookie },
    ])
      expect((await forget(ALICE, headers)).status).toBe(403);
    expect(await table('auth_sessions')).toHaveLength(1);
  });
});
