import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { connected, watchToClose } from '../sockets.ts';
import { type Deployment, Page, startDeployment } from './deployment.ts';
import { VISITOR, writeHistory } from './history.ts';

/** Settings of docs/operate: retention, and the reaction to a replayed ticket. */

const DAY_MS = 86_400_000;

let deployment: Deployment;
beforeAll(async () => {
  const days = { AUDIT_RETENTION_DAYS: '1', SESSION_RETENTION_DAYS: '1', INVOCATION_RETENTION_DAYS: '1' };
  deployment = await startDeployment({ broker: days, agentWorker: { TICKET_REPLAY: 'end-session' } });
  await writeHistory(deployment.stack(), deployment.keyEncryptionKey, Date.now() - 3 * DAY_MS);
});
afterAll(() => deployment?.close());

describe('retention', () => {
  const inRecord = async (sql: string): Promise<unknown[]> => {
    const record = await deployment.stack().workers.getD1Database('RECORD', 'broker');
    return (await record.prepare(sql).bind(VISITOR).all()).results;
  };
  const events = () => inRecord('SELECT type, details FROM audit_events WHERE user_id = ? ORDER BY seq');
  const sessions = () =>
    inRecord('SELECT end_reason FROM agent_sessions WHERE user_id = ? ORDER BY ended_at');
  const calls = () =>
    inRecord(
      'SELECT c.id FROM agent_invocations c JOIN agent_sessions s ON s.id = c.session_id WHERE s.user_id = ?',
    );

  it('deletes events, sessions and calls that are too old, records that first, and the remaining log verifies', async () => {
    expect([await events(), await sessions(), await calls()].map((rows) => rows.length)).toEqual([3, 2, 2]);
    await deployment.seal();
    // The session without an end is not too old: it ends only now.
    expect(await sessions()).toEqual([{ end_reason: 'connection_lost' }]);
    const found = { type: 'session.closed', details: '{"found":"reconciled"}' };
    expect([await events(), await calls()]).toEqual([[found], []]);
    const purged = await eventually(async () => {
      const { items } = await deployment.get('/admin/agents/audit?type=audit.purged', Page);
      expect(items).toHaveLength(1);
      return items;
    });
    expect(purged).toMatchObject([{ outcome: 'success', details: { from: 1, through: 3 } }]);

    await deployment.run('export?after=0');
    const lines = (await readFile(join(deployment.workDir, 'audit.ndjson'), 'utf8')).trim().split('\n');
    expect(lines.map((line) => JSON.parse(line)).slice(0, 2)).toMatchObject([
      { checkpoint: { n: 1, through: 3 } },
      { event: { seq: 4 } },
    ]);
    await deployment.run('export?after=$LAST');
    const output = await deployment.run('audit verify audit.ndjson');
    expect(output).toMatch(/content +ok/);
    expect(output).toMatch(/tail +ok/);
  });
});

describe('a replayed ticket, with TICKET_REPLAY=end-session', () => {
  it('ends the session that it opened; its owner reconnects with a new one, and the log has both presenters', async () => {
    const instance = 'replayed';
    const tickets: { ticket: string; url: string; jti: string }[] = [];
    const owner = await connected('counter', instance, {
      host: deployment.facts.agentWorker,
      query: async () => {
        const minted = await deployment.mint(instance);
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
      const ended = await deployment.get(`/admin/agents/sessions/${session}`, Session);
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
      const { items } = await deployment.get('/admin/agents/audit?type=ticket.replayed', Page);
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
