import { beforeEach, describe, expect, it } from 'vitest';
import type { Databases, OpenDatabases } from './databases.ts';
import { addSessions, auditEvent, MINUTE, NOW, sessionFact, uuidOf } from './rows.ts';

export function describeStats(open: OpenDatabases): void {
  describe('counts of spans of time', () => {
    let databases: Databases;
    let stats: Databases['record']['stats'];
    let names = 0;
    beforeEach(async () => {
      databases = await open();
      stats = databases.record.stats;
      names = 0;
    });
    const write = (...events: readonly Parameters<typeof auditEvent>[0][]) =>
      databases.record.deliver(
        events.map((differs) => {
          names += 1;
          return { event: auditEvent({ eventId: uuidOf(names), ...differs }) };
        }),
        NOW,
      );
    const denied = { type: 'ticket.denied', outcome: 'denied' } as const;

    it('take their beginning and not their end', async () => {
      await write({ at: NOW - 1 }, { at: NOW }, { at: NOW + MINUTE - 1 }, { at: NOW + MINUTE, ...denied });
      const sessions = [
        { startedAt: NOW - 1, endedAt: NOW, endReason: 'closed' },
        { startedAt: NOW, endedAt: NOW + MINUTE, endReason: 'closed' },
        { startedAt: NOW + MINUTE - 1 },
        { startedAt: NOW + MINUTE },
      ];
      await addSessions(
        databases,
        ...sessions.map((each, index) => sessionFact({ id: uuidOf(index), ...each })),
      );
      expect(await stats.counts([NOW, NOW + MINUTE], MINUTE)).toEqual([
        { at: NOW, issued: 2, denied: 0, opened: 2, closed: 1 },
        { at: NOW + MINUTE, issued: 0, denied: 1, opened: 1, closed: 1 },
      ]);
    });

    it('of refusals are by code and agent, and agents that nobody knows are one', async () => {
      const at = NOW;
      await write(
        { at, ...denied, code: 'grant_missing', agent: 'counter' },
        { at: at + 1, ...denied, code: 'grant_missing', agent: 'counter' },
        { at, type: 'rpc.denied', outcome: 'denied', code: 'frame_scope_missing', agent: 'counter' },
        { at, ...denied, code: 'agent_unknown', agent: 'made-up' },
        { at, ...denied, code: 'agent_unknown', agent: 'invented' },
        { at, code: 'closed' },
        { at: at + MINUTE, ...denied, code: 'locked', agent: 'counter' },
      );
      const found = await stats.refusals([NOW, NOW + MINUTE], MINUTE, ['counter', 'lobby']);
      const rows = found.map((row) => `${row.at - NOW} ${row.code} ${row.agent} ${row.count}`);
      expect(rows.sort()).toEqual([
        '0 agent_unknown null 2',
        '0 frame_scope_missing counter 1',
        '0 grant_missing counter 2',
        '60000 locked counter 1',
      ]);
    });

    it('of events of sessions are of those between two numbers, each refusal that an event counts', async () => {
      const refused = { outcome: 'denied', agent: 'counter' } as const;
      await write(
        { type: 'session.closed', agent: 'counter', code: 'before' },
        { type: 'session.closed', agent: 'counter', code: 'client_closed' },
        { type: 'session.closed', agent: 'counter', code: 'client_closed' },
        { type: 'session.renewed', agent: 'counter' },
        { type: 'session.renewed', ...refused, code: 'ticket_used', details: { count: 4 } },
        { type: 'rpc.denied', ...refused, code: 'frame_scope_missing', details: { frame: 'rpc' } },
        { type: 'rpc.denied', ...refused, code: 'frame_scope_missing', details: { frame: 'rpc', count: 59 } },
        { type: 'rpc.denied', ...refused, code: 'own', details: { count: '1000000' } },
        { type: 'ticket.issued', agent: 'counter' },
        { type: 'session.closed', agent: 'counter', code: 'after' },
      );
      const rows = await stats.sessionEvents(1, 9);
      expect(
        rows
          .map(({ type, outcome, code, agent, count }) => `${type} ${outcome} ${code} ${agent} ${count}`)
          .sort(),
      ).toEqual([
        'rpc.denied denied frame_scope_missing counter 60',
        'rpc.denied denied own counter 1',
        'session.closed success client_closed counter 2',
        'session.renewed denied ticket_used counter 4',
        'session.renewed success null counter 1',
      ]);
    });

    it('of live sessions are those that began before a moment and had not ended', async () => {
      const sessions = [
        { startedAt: NOW - 2 },
        { startedAt: NOW - 2, endedAt: NOW, endReason: 'closed' },
        { startedAt: NOW - 2, endedAt: NOW - 1, endReason: 'closed' },
        { startedAt: NOW },
        { startedAt: NOW - 2 * MINUTE },
      ];
      await addSessions(
        databases,
        ...sessions.map((each, index) => sessionFact({ id: uuidOf(index), ...each })),
      );
      expect(await stats.liveAt([NOW - MINUTE, NOW], MINUTE, NOW)).toBe(2);
      expect(await stats.liveAt([NOW - 3 * MINUTE], 4 * MINUTE, NOW)).toBe(3);
    });
  });
}
