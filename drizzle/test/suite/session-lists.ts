import { TicketId } from '@agent-ticket/shared/names.ts';
import type { Revocation } from '@agent-ticket/shared/revocation.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import type { AgentInstance } from '../../record/revocations.ts';
import type { SessionFact, SessionFilter } from '../../record/sessions.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { ALICE, AUDIENCE, NOW, revocation, sessionFact, tokenId, uuidOf } from './rows.ts';

const TOKEN = `token:${tokenId('7')}`;
const KEY = 'q'.repeat(43);
const TICKET = uuidOf(99);

/** Live sessions, one object each, and which of them a revocation of each target hits. */
const LIVE: readonly Partial<SessionFact>[] = [
  { principal: ALICE },
  { principal: TOKEN, instance: 'side', grantId: 'grant-1' },
  { principal: ALICE, agent: 'chat', kid: KEY, loginId: 'login-1', jti: TICKET, ipAddress: '192.0.2.7' },
];
const TARGETS: readonly [target: string, objects: string[]][] = [
  ['everything:', ['chat/main', 'counter/main', 'counter/side']],
  ['agent:counter', ['counter/main', 'counter/side']],
  ['instance:counter/main', ['counter/main']],
  [`principal:${ALICE}`, ['chat/main', 'counter/main']],
  [`service-token:${tokenId('7')}`, ['counter/side']],
  [`session:${uuidOf(1)}`, ['counter/main']],
  [`key:${KEY}`, ['chat/main']],
  ['grant:grant-1', ['counter/side']],
  ['login:login-1', ['chat/main']],
  [`ticket:${TICKET}`, ['chat/main']],
  ['address:192.0.2.7', ['chat/main']],
  ['address:192.0.2.70', []],
  ['principal:auth0:people.test:nobody', []],
  ['grant:grant-2', []],
];

export function describeSessionLists(open: OpenDatabases): void {
  describe('lists of sessions', () => {
    let databases: Databases;
    let sessions: Databases['record']['sessions'];
    let revocations: Databases['record']['revocations'];
    beforeEach(async () => {
      databases = await open();
      ({ sessions, revocations } = databases.record);
    });
    const put = (name: number, differs: Partial<SessionFact> = {}) => {
      const session = sessionFact({ id: uuidOf(name), ...differs });
      const { id, jti, startedAt: at } = session;
      const event = { eventId: id, at, type: 'session.opened', outcome: 'success', sessionId: id } as const;
      return databases.record.deliver([{ event: { ...event, jti: TicketId.parse(jti) }, session }], NOW);
    };
    const list = async (filter: SessionFilter, limit = 50) =>
      (await sessions.list(filter, undefined, limit)).rows.map(({ id }) =>
        Number.parseInt(id.slice(-12), 16),
      );

    it('come newest first, those of one moment by id', async () => {
      await put(1, { startedAt: NOW + 1 });
      await put(2);
      await put(3);
      expect(await list({})).toEqual([1, 3, 2]);
      expect(await list({}, 2)).toEqual([1, 3]);
    });

    it('of a party are those that name it beside the principal, with every other filter', async () => {
      await put(1, { parties: [TOKEN], startedAt: NOW + 3 });
      await put(2, { parties: [TOKEN, ALICE], agent: 'lobby' });
      await put(3, { principal: TOKEN });
      await put(4, { parties: [ALICE] });
      await put(5, { parties: [TOKEN], endedAt: NOW + 1, endReason: 'client_closed' });
      expect(await list({ party: TOKEN })).toEqual([1, 5, 2]);
      expect(await list({ party: TOKEN }, 2)).toEqual([1, 5]);
      expect(await list({ party: TOKEN, agent: 'lobby' })).toEqual([2]);
      expect(await list({ party: TOKEN, active: true })).toEqual([1, 2]);
      expect(await list({ party: TOKEN, to: NOW + 2 })).toEqual([5, 2]);
      expect(await list({ party: TOKEN, from: NOW + 2 })).toEqual([1, 2]);
      const after = { startedAt: NOW + 3, id: uuidOf(1) };
      const { rows } = await sessions.list({ party: TOKEN }, after, 1);
      expect(rows.map(({ id }) => id)).toEqual([uuidOf(5)]);
    });

    it('take every filter alone and all together', async () => {
      await put(1);
      await put(2, { principal: TOKEN });
      await put(3, { agent: 'lobby' });
      await put(4, { instance: 'side' });
      await put(5, { endedAt: NOW, endReason: 'client_closed' });
      expect(await list({ principal: ALICE })).toEqual([5, 4, 3, 1]);
      expect(await list({ agent: 'counter' })).toEqual([5, 4, 2, 1]);
      expect(await list({ instance: 'main' })).toEqual([5, 3, 2, 1]);
      expect(await list({ active: true })).toEqual([4, 3, 2, 1]);
      expect(await list({ active: false })).toEqual([5]);
      expect(await list({ principal: ALICE, agent: 'counter', instance: 'main', active: true })).toEqual([1]);
    });

    it('are those of an address, in one spelling', async () => {
      await put(1, { ipAddress: '192.0.2.7' });
      await put(2, { ipAddress: '192.0.2.70' });
      await put(3);
      expect(await list({ ipAddress: '192.0.2.7' })).toEqual([1]);
      expect(await list({ ipAddress: '192.0.2.7', principal: TOKEN })).toEqual([]);
    });

    describe('that lived in a span of time', () => {
      const DAY_MS = 24 * 3600_000;
      const closed = (startedAt: number, endedAt: number) => ({ startedAt, endedAt, endReason: 'closed' });
      it.each<[string, Partial<SessionFact>, boolean]>([
        ['an open one from before', { startedAt: NOW - 5 }, true],
        ['one that began in it', { startedAt: NOW + 9 }, true],
        ['one that began with its end', { startedAt: NOW + 10 }, false],
        ['one that ended in it', closed(NOW - 5, NOW + 1), true],
        ['one that ended with its beginning', closed(NOW - 5, NOW), false],
        ['one that outlasted it', closed(NOW - 5, NOW + 50), true],
        ['one that began and ended in it', closed(NOW + 1, NOW + 2), true],
        ['one of almost a day', closed(NOW - DAY_MS, NOW + 1), true],
      ])('hold %s or not: %s %s', async (_what, differs, isListed) => {
        await put(1, differs);
        const span = { from: NOW, to: NOW + 10 };
        const others = [
          {},
          { principal: ALICE },
          { agent: 'counter' },
          { agent: 'counter', instance: 'main' },
        ];
        for (const other of others) expect(await list({ ...span, ...other })).toEqual(isListed ? [1] : []);
      });

      it('have no cursor that leads out of it', async () => {
        await put(1, { startedAt: NOW + 20 });
        const late = { startedAt: NOW + 30, id: uuidOf(9) };
        expect((await sessions.list({ to: NOW + 10 }, late, 50)).rows).toEqual([]);
      });

      it('are examined from a day before on, whatever is older', async () => {
        await put(1, { startedAt: NOW - DAY_MS - 60_000 });
        expect(await list({ from: NOW })).toEqual([]);
        expect(await list({ to: NOW })).toEqual([1]);
      });
    });

    it('have every session on exactly one page, also when a newer one comes in between', async () => {
      for (const name of [1, 2, 3, 4, 5]) await put(name, { startedAt: NOW + Math.floor(name / 2) });
      const seen: number[] = [];
      let after: { id: string; startedAt: number } | undefined;
      for (;;) {
        const { rows: page } = await sessions.list({ agent: 'counter' }, after, 2);
        const last = page.at(-1);
        if (last === undefined) break;
        seen.push(...page.map(({ id }) => Number.parseInt(id.slice(-12), 16)));
        if (after === undefined) await put(9, { startedAt: NOW + 9 });
        after = last;
      }
      expect(seen).toEqual([5, 4, 3, 2, 1]);
    });

    it('that are open come oldest first, from one time to another', async () => {
      await put(1, { startedAt: NOW - 3 });
      await put(2, { startedAt: NOW - 2 });
      await put(3, { startedAt: NOW - 2, endedAt: NOW, endReason: 'client_closed' });
      await put(4, { startedAt: NOW - 1 });
      await put(5, { startedAt: NOW });
      // An agent worker has no object of another one to ask.
      await put(6, { startedAt: NOW - 2, audience: 'other.test' });
      const ids = async (from: number, until: number, limit: number) =>
        (await sessions.listOpen(AUDIENCE, from, until, limit)).map(({ startedAt }) => startedAt - NOW);
      expect(await ids(NOW - 2, NOW - 1, 9)).toEqual([-2, -1]);
      expect(await ids(0, NOW, 2)).toEqual([-3, -2]);
    });

    describe('by a revocation', () => {
      const objects = async (differs: Partial<Revocation>, limit = 50) =>
        (await revocations.liveObjects(AUDIENCE, revocation(differs), undefined, limit)).map(
          (object) => `${object.agent}/${object.instance}`,
        );
      const EVERYTHING = { target: 'everything:' };

      it.each(TARGETS)('name the objects that %s hits, and count them', async (target, expected) => {
        for (const [index, differs] of LIVE.entries()) await put(index + 1, differs);
        expect(await objects({ target })).toEqual(expected);
        expect(await revocations.countLiveObjects(AUDIENCE, revocation({ target }), undefined)).toBe(
          expected.length,
        );
      });

      it.each(TARGETS)(
        'of tickets from before, name the objects of older ones that %s hits',
        async (target, expected) => {
          for (const [index, differs] of LIVE.entries()) await put(index + 1, differs);
          expect(await objects({ target, kind: 'before', rev: 8 })).toEqual(expected);
          expect(await objects({ target, kind: 'before', rev: 7 })).toEqual([]);
          expect(await objects({ target, kind: 'before', rev: 6 })).toEqual([]);
        },
      );

      it('leave out those of other agent workers', async () => {
        await put(1, { instance: 'here' });
        await put(2, { instance: 'elsewhere', audience: 'other.test' });
        expect(await objects(EVERYTHING)).toEqual(['counter/here']);
        expect(await revocations.countLiveObjects(AUDIENCE, revocation(EVERYTHING), undefined)).toBe(1);
      });

      it('name an object once, however many sessions it has, and no more objects than asked for', async () => {
        for (const name of [1, 2, 3]) await put(name);
        for (const name of [4, 5, 6]) await put(name, { instance: `i${name}` });
        expect(await objects(EVERYTHING)).toEqual(['counter/i4', 'counter/i5', 'counter/i6', 'counter/main']);
        expect(await objects(EVERYTHING, 2)).toHaveLength(2);
      });

      it.each(['everything:', `principal:${ALICE}`, 'grant:grant-1'])(
        'come page by page, each object once, and say how many are left: %s',
        async (target) => {
          for (const [index, instance] of ['a', 'b', 'c', 'd', 'e'].entries()) {
            await put(2 * index, { instance, grantId: 'grant-1' });
            const agent = index % 2 === 0 ? 'counter' : 'lobby';
            await put(2 * index + 1, { instance, agent, grantId: 'grant-1' });
          }
          const row = revocation({ target });
          const seen: string[] = [];
          const left: number[] = [];
          for (let after: AgentInstance | undefined; ; ) {
            left.push(await revocations.countLiveObjects(AUDIENCE, row, after));
            const page = await revocations.liveObjects(AUDIENCE, row, after, 3);
            if (page.length === 0) break;
            seen.push(...page.map((object) => `${object.agent}/${object.instance}`));
            after = page.at(-1);
          }
          const expected = ['a', 'b', 'c', 'd', 'e'].map((name) => `counter/${name}`);
          expect(seen).toEqual([...expected, 'lobby/b', 'lobby/d']);
          expect(left).toEqual([7, 4, 1, 0]);
        },
      );

      it('leave out sessions that ended', async () => {
        await put(1, { endedAt: NOW, endReason: 'client_closed' });
        await put(2, { instance: 'live' });
        expect(await objects(EVERYTHING)).toEqual(['counter/live']);
      });
    });
  });
}
