import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { kidOf } from '../broker.ts';
import { type Block, blocksOf, paste } from '../documents.ts';
import { eventually as eventuallyWithin } from '../eventually.ts';
import { connected, nextFrame, openSocket, watchToClose } from '../sockets.ts';
import { livePast, VISITOR } from './past.ts';
import { openStand, type Stand } from './stand.ts';

/** docs/operations.md, tried: every block of it as it stands there, and what it says of retention and replays. */

const DAY_MS = 86_400_000;
/** For slow machines: the runtime alone takes ten seconds to let go of a closed socket. */
const PATIENCE = { timeout: 240_000 };
const eventually = <T>(look: () => Promise<T>): Promise<T> => eventuallyWithin(look, 60_000);

let stand: Stand;
let blocks: Block[];
beforeAll(async () => {
  const days = { AUDIT_RETENTION_DAYS: '1', SESSION_RETENTION_DAYS: '1', INVOCATION_RETENTION_DAYS: '1' };
  stand = await openStand({ broker: days, agentWorker: { TICKET_REPLAY: 'end-session' } });
  await livePast(stand.stack(), stand.keyEncryptionKey, Date.now() - 3 * DAY_MS);
  blocks = (await blocksOf('docs/operations.md')).filter(({ language }) => language === 'sh');
}, PATIENCE.timeout);
afterAll(() => stand?.close());

/** Runs the block that has these words in it. */
async function run(words: string, env: Readonly<Record<string, string>> = {}): Promise<string> {
  const found = blocks.filter(({ text }) => text.includes(words));
  expect(found, words).toHaveLength(1);
  const [{ text } = { text: '' }] = found;
  return paste({ text }, { env: { ...stand.shell, ...env }, folder: stand.desk });
}
const json = async (answer: Promise<string>): Promise<unknown> => JSON.parse(await answer);

/** A socket that was let in, and the id of its session once the record has it. */
async function enter(instance: string, secret?: string) {
  const { url, ticket } = await stand.mint(instance, secret);
  const opened = openSocket(url);
  await nextFrame(opened.socket);
  const session = await eventually(async () => {
    const path = `/admin/agents/sessions?agent=counter&instance=${instance}&active=true`;
    const [found] = (await stand.look(path, Page)).items;
    return z.object({ id: z.string() }).parse(found).id;
  });
  return { ...opened, ticket, session };
}
const Page = z.object({ items: z.array(z.looseObject({})) });

const Key = z.looseObject({ kid: z.string(), state: z.string() });
const Keys = z.object({ items: z.array(Key) });
const published = async (): Promise<string[]> => {
  const answer = await fetch(`${stand.facts.broker}/.well-known/jwks.json`);
  return z
    .object({ keys: z.array(Key.pick({ kid: true })) })
    .parse(await answer.json())
    .keys.map(({ kid }) => kid);
};

const TRIED = [
  '/readyz',
  '/admin/keys/rotate',
  '"$BROKER/admin/keys"',
  '/revoke"',
  '/admin/keys/reseal',
  '?agent=$AGENT',
  '$SESSION"',
  '/admin/service-tokens/$TOKEN',
  '"kind": "everything"',
  '/admin/locks/$LOCK',
  'principal=$PRINCIPAL',
  'export?after=0',
  'export?after=$LAST',
  'agent-ticket audit verify',
];

it('there is no block that is not tried here', () => {
  expect(blocks.map(({ text }) => TRIED.filter((words) => text.includes(words)))).toEqual(
    TRIED.map((words) => [words]),
  );
});

describe('retention', PATIENCE, () => {
  const inRecord = async (sql: string): Promise<unknown[]> => {
    const record = await stand.stack().workers.getD1Database('RECORD', 'broker');
    return (await record.prepare(sql).bind(VISITOR).all()).results;
  };
  const events = () => inRecord('SELECT type, details FROM audit_events WHERE user_id = ? ORDER BY seq');
  const sessions = () =>
    inRecord('SELECT end_reason FROM agent_sessions WHERE user_id = ? ORDER BY ended_at');
  const calls = () =>
    inRecord(
      'SELECT c.id FROM agent_invocations c JOIN agent_sessions s ON s.id = c.session_id WHERE s.user_id = ?',
    );

  it('deletes events, sessions and calls that are too old, says so first, and what is left is proven', async () => {
    expect([await events(), await sessions(), await calls()].map((rows) => rows.length)).toEqual([3, 2, 2]);
    await stand.mint('kept');
    await eventually(async () => {
      const issued = await stand.look('/admin/agents/audit?type=ticket.issued', Page);
      expect(issued.items).toHaveLength(1);
    });
    await stand.cron();
    // The one that had not ended is not too old: it ends only now.
    expect(await sessions()).toEqual([{ end_reason: 'connection_lost' }]);
    const found = { type: 'session.closed', details: '{"found":"reconciled"}' };
    expect([await events(), await calls()]).toEqual([[found], []]);
    const purged = await eventually(async () => {
      const { items } = await stand.look('/admin/agents/audit?type=audit.purged', Page);
      expect(items).toHaveLength(1);
      return items;
    });
    expect(purged).toMatchObject([{ outcome: 'success', details: { from: 1, through: 3 } }]);

    await run('export?after=0');
    const lines = (await readFile(join(stand.desk, 'audit.ndjson'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line)).slice(0, 2)).toMatchObject([
      { checkpoint: { n: 1, through: 3 } },
      { event: { seq: 4 } },
    ]);
    await run('export?after=$LAST');
    const said = await run('agent-ticket audit verify');
    expect(said).toMatch(/content +ok/);
    expect(said).toMatch(/tail +ok/);
  });
});

describe('what docs/operations.md says to do', PATIENCE, () => {
  it('looks how it goes', async () => {
    expect(await json(run('/readyz'))).toEqual({
      status: 'ready',
      events_waiting: expect.any(Number),
      agent_events_waiting: 0,
      agent_objects_waiting: 0,
      waiting_age: null,
      commands_waiting: 0,
      key_events_waiting: 0,
      checkpoint_age: expect.any(Number),
    });
  });

  it('rotates, by schedule and at once, with another algorithm, and the key of the audit log', async () => {
    const rotate = async (body: object): Promise<unknown> => {
      const found = blocks.find(({ text }) => text.includes('/admin/keys/rotate'))?.text ?? '';
      const text = found.replace("'{}'", `'${JSON.stringify(body)}'`);
      return JSON.parse(await paste({ text }, { env: stand.shell }));
    };
    const before = await published();
    const next = Key.parse(await json(run('/admin/keys/rotate')));
    expect(next.state).toBe('pending');
    expect((await published()).toSorted()).toEqual([...before, next.kid].toSorted());
    expect(await rotate({})).toMatchObject({ error: { code: 'CONFLICT' } });

    const document = await readFile(new URL('../../../docs/operations.md', import.meta.url), 'utf8');
    const said = ['{"alg": "Ed25519"}', '{"activate": "now"}', '{"purpose": "audit"}'];
    expect(said.filter((body) => !document.includes(`\`${body}\``))).toEqual([]);
    const [alg = {}, now = {}, audit = {}] = said.map((body) => z.looseObject({}).parse(JSON.parse(body)));
    expect(await rotate({ ...audit, ...now, ...alg })).toMatchObject({ state: 'active', alg: 'Ed25519' });
    expect(await rotate(audit)).toMatchObject({ state: 'pending', alg: 'Ed25519' });
  });

  it('revokes a key that leaked: its sockets close, and it is gone from the key set at once', async () => {
    const { closed, ticket } = await enter('leaked-key');
    const { items } = Keys.parse(await json(run('"$BROKER/admin/keys"')));
    const KID = kidOf(ticket);
    expect(items.find(({ kid }) => kid === KID)).toMatchObject({ state: 'active' });
    const revoked = z.looseObject({ signing: z.string() }).parse(await json(run('/revoke"', { KID })));
    expect(revoked).toMatchObject({ kid: KID, state: 'revoked', receipt: { closed: 1 } });
    expect(await closed).toMatchObject({ code: 4003 });
    expect(await published()).not.toContain(KID);
    expect(kidOf((await stand.mint('leaked-key')).ticket)).toBe(revoked.signing);
  });

  it('changes KEK without a refusal, and a wrong one signs nothing and spoils nothing', async () => {
    const [KEK, wrong] = [randomBytes(32).toString('base64url'), randomBytes(32).toString('base64url')];
    const before = await published();
    await stand.deploy({ KEK, KEK_PREVIOUS: stand.keyEncryptionKey });
    expect((await stand.tryMint('kek')).status).toBe(201);
    const Resealed = z.object({ resealed: z.int(), unreadable: z.array(z.string()) });
    const first = Resealed.parse(await json(run('/admin/keys/reseal')));
    expect(first.resealed).toBeGreaterThan(0);
    expect(await json(run('/admin/keys/reseal'))).toMatchObject({ resealed: 0, unreadable: [] });

    await stand.deploy({ KEK: wrong });
    expect(await json(run('/readyz'))).toMatchObject({
      error: { code: 'UNAVAILABLE', message: expect.stringContaining('key') },
    });
    expect((await stand.tryMint('kek')).status).toBe(503);
    await stand.deploy({ KEK });
    expect((await stand.tryMint('kek')).status).toBe(201);
    expect((await published()).toSorted()).toEqual(before.toSorted());
  });

  it('ends the session of a ticket that leaked', async () => {
    const { closed, session } = await enter('leaked-ticket');
    const { items } = Page.parse(await json(run('?agent=$AGENT', { AGENT: 'counter' })));
    expect(items.map(({ id }) => id)).toContain(session);
    const ended = await json(run('$SESSION"', { SESSION: session }));
    expect(ended).toMatchObject({ id: session, receipt: { closed: 1 } });
    expect(await closed).toMatchObject({ code: 4003 });
  });

  it('revokes a service token that leaked: its secret dies, and its sockets close', async () => {
    const { id, client_secret } = await stand.newToken();
    const { closed } = await enter('leaked-token', client_secret);
    await run('/admin/service-tokens/$TOKEN', { TOKEN: id });
    expect(await closed).toMatchObject({ code: 4003 });
    expect((await stand.tryMint('leaked-token', client_secret)).status).toBe(401);
  });

  it('locks everything, and lifts that again', async () => {
    const { closed } = await enter('locked');
    const lock = z.looseObject({ id: z.string() }).parse(await json(run('"kind": "everything"')));
    expect(await closed).toMatchObject({ code: 4003 });
    expect((await stand.tryMint('locked')).status).toBe(403);
    await run('/admin/locks/$LOCK', { LOCK: lock.id });
    expect((await stand.tryMint('locked')).status).toBe(201);
  });

  it('looks what somebody did', async () => {
    const PRINCIPAL = `token:${stand.facts.serviceToken.id}`;
    const { items } = Page.parse(await json(run('principal=$PRINCIPAL', { PRINCIPAL })));
    expect(new Set(items.map(({ principal }) => principal))).toEqual(new Set([PRINCIPAL]));
    expect(items.map(({ type }) => type)).toContain('ticket.issued');
  });

  it('exports, goes on with the export later, and proves it against the anchor', async () => {
    await run('export?after=0');
    await stand.mint('later');
    await eventually(async () => {
      await run('export?after=$LAST');
      expect(await readFile(join(stand.desk, 'audit.ndjson'), 'utf8')).toContain('"instance":"later"');
    });
    const said = await run('agent-ticket audit verify');
    expect(said).toMatch(/content +ok/);
    expect(said).toMatch(/gaps +ok/);
  });
});

describe('a ticket that is shown again, with TICKET_REPLAY=end-session', PATIENCE, () => {
  it('ends the session that it opened; its owner comes back with a new one, and the log has both presenters', async () => {
    const instance = 'replayed';
    const tickets: { ticket: string; url: string; jti: string }[] = [];
    const owner = await connected('counter', instance, {
      host: stand.facts.agentWorker,
      query: async () => {
        const minted = await stand.mint(instance);
        tickets.push(minted);
        return { ticket: minted.ticket };
      },
    });
    const [first] = tickets;
    const { session } = await owner.call<{ session: string }>('whoami');
    const thief = await watchToClose(first?.url ?? '', { headers: { 'user-agent': 'a thief' } });
    expect(thief).toMatchObject({ frames: [], code: 3000, reason: 'ticket_used' });
    const Session = z.looseObject({ end_reason: z.string().nullable() });
    await eventually(async () => {
      const ended = await stand.look(`/admin/agents/sessions/${session}`, Session);
      expect(ended.end_reason).toBe('ticket_replayed');
    });
    const again = await eventually(async () => {
      const { session: now } = await owner.call<{ session: string }>('whoami');
      expect(now).not.toBe(session);
      return now;
    });
    expect(tickets).toHaveLength(2);
    expect(again).not.toBe(session);

    const [event] = await eventually(async () => {
      const { items } = await stand.look('/admin/agents/audit?type=ticket.replayed', Page);
      expect(items).toHaveLength(1);
      return items;
    });
    expect(event).toMatchObject({
      outcome: 'denied',
      code: 'ticket_used',
      jti: first?.jti,
      session_id: session,
      user_agent: 'a thief',
      details: { replays: 1, first_user_agent: expect.any(String) },
    });
  });
});
