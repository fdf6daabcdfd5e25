import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { PrincipalId, TicketId } from '@agent-ticket/shared/names.ts';
import { describe, expect, it } from 'vitest';
import { countFailure } from '../src/credentials/auth-result.ts';
import { FAILED_CREDENTIALS_LIMIT, INSTANCE_WINDOW_MS, type RateRule } from '../src/http/rate.ts';
import type { RecordEntry, RecordResult } from '../src/mint/shard.ts';

/** What counting and recording of a mint shard promises, wherever it runs: one table of cases for each runtime. */

/** 2027-01-15T08:00:00Z or any other time: cases move on from where it begins. In ms. */
interface RecordingSetup {
  /** Counts and records in the place of an account. */
  write(account: string, entry: RecordEntry): Promise<RecordResult>;
  readonly startsAt: number;
  setClock(ms: number): void;
  /** What arrived in the record database of a principal's events, oldest first. */
  eventsOf(principal: string): Promise<readonly { readonly type: string }[]>;
  /** Accounts that are being counted. */
  counted(): Promise<readonly string[]>;
  /** Does what the runtime does each minute. */
  minute(): Promise<void>;
}

const MINUTE = 60_000;

const newPrincipal = (): PrincipalId => PrincipalId.parse(`auth0:people.test:${crypto.randomUUID()}`);

const eventOf = (
  principal: PrincipalId,
  at: number,
  type: AuditEvent['type'] = 'ticket.issued',
): AuditEvent => ({
  eventId: crypto.randomUUID(),
  at,
  type,
  outcome: type === 'ticket.denied' ? 'denied' : 'success',
  principal,
  agent: 'counter',
  instance: 'main',
  jti: TicketId.parse(crypto.randomUUID()),
});

/** A principal with a limit. */
function account(setup: RecordingSetup, limit: number) {
  const principal = newPrincipal();
  return {
    principal,
    mint: (type?: AuditEvent['type']): Promise<RecordResult> =>
      setup.write(principal, {
        rate: { key: principal, limit },
        event: eventOf(principal, setup.startsAt, type),
      }),
    count: (): Promise<RecordResult> => setup.write(principal, { rate: { key: principal, limit } }),
  };
}

/** An account that may have three instance names; its own limit is far. */
function namer(setup: RecordingSetup, principal: string = newPrincipal()) {
  return {
    principal,
    mint: (name: string, limit = 1000): Promise<RecordResult> =>
      setup.write(principal, {
        rate: { key: principal, limit },
        mark: { account: principal, name: `counter/${name}`, limit: 3, windowMs: INSTANCE_WINDOW_MS },
        event: eventOf(PrincipalId.parse(principal), setup.startsAt),
      }),
  };
}

/** A wrong secret for a client id that nobody has; whether the limit let the refusal through as it was. */
async function guess({ write, startsAt }: RecordingSetup, ipAddress: string): Promise<boolean> {
  const headers = { 'cf-access-client-id': crypto.randomUUID(), 'cf-access-client-secret': 'x' };
  const request = new Request('https://broker.test/tickets', { headers });
  const answer = await countFailure(
    { ok: false, denial: { reason: 'credential_unknown' } },
    { request, ipAddress, now: startsAt },
    { shard: { count: counterOf(write) }, log: () => {} },
  );
  return !answer.ok && answer.denial.reason === 'credential_unknown';
}

const counterOf = (write: RecordingSetup['write']) => async (account: string, rule: RateRule) => {
  const { admitted, rate } = await write(account, { rate: rule });
  if (rate === null) throw new Error('a counted event has a window');
  return { admitted, rate };
};

const times = <T>(count: number, make: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, make));
const admittedOf = (answers: readonly RecordResult[]): number =>
  answers.filter(({ admitted }) => admitted).length;
const typesOf = async (setup: RecordingSetup, principal: string): Promise<string[]> =>
  (await setup.eventsOf(principal)).map(({ type }) => type);

interface RecordingCase {
  readonly what: string;
  readonly run: (setup: RecordingSetup) => Promise<void>;
}

const CASES: readonly RecordingCase[] = [
  {
    what: 'counts down to nothing, and says when the window ends',
    async run(setup) {
      const { mint } = account(setup, 3);
      const answers = [await mint(), await mint(), await mint(), await mint(), await mint()];
      expect(answers.map(({ admitted, rate }) => [admitted, rate?.limit, rate?.remaining])).toEqual([
        [true, 3, 2],
        [true, 3, 1],
        [true, 3, 0],
        [false, 3, 0],
        [false, 3, 0],
      ]);
      const resetAt = Math.ceil((setup.startsAt + MINUTE) / 1000);
      expect(new Set(answers.map(({ rate }) => rate?.resetAt))).toEqual(new Set([resetAt]));
    },
  },
  {
    what: 'is exact when 200 come at once: as many admitted as the limit says, each with its event',
    async run(setup) {
      const { principal, mint } = account(setup, 150);
      const answers = await times(200, mint);
      expect(admittedOf(answers)).toBe(150);
      const left = answers.flatMap(({ admitted, rate }) =>
        admitted && rate !== null ? [rate.remaining] : [],
      );
      expect(left.sort((a, b) => a - b)).toEqual(Array.from({ length: 150 }, (_, index) => index));
      const types = await typesOf(setup, principal);
      expect(types.filter((type) => type === 'ticket.issued')).toHaveLength(150);
      expect(types.filter((type) => type === 'rate.limited')).toHaveLength(1);
      expect(types).toHaveLength(151);
    },
  },
  {
    what: 'has the event in the log when it answers, one for one',
    async run(setup) {
      const { principal, mint } = account(setup, 10);
      for (const type of ['ticket.issued', 'ticket.denied', 'ticket.issued'] as const) await mint(type);
      expect(await typesOf(setup, principal)).toEqual(['ticket.issued', 'ticket.denied', 'ticket.issued']);
    },
  },
  {
    what: 'records a flood once a window, as a refusal without a ticket id',
    async run(setup) {
      const { principal, mint } = account(setup, 1);
      await times(20, mint);
      setup.setClock(setup.startsAt + MINUTE);
      await times(20, mint);
      expect((await typesOf(setup, principal)).sort()).toEqual([
        'rate.limited',
        'rate.limited',
        'ticket.issued',
        'ticket.issued',
      ]);
      const refused = (await setup.eventsOf(principal)).find(({ type }) => type === 'rate.limited');
      expect(refused).toMatchObject({ outcome: 'denied', code: 'rate_limited', jti: null });
    },
  },
  {
    what: 'opens the next window to the millisecond, and not before',
    async run(setup) {
      const { count } = account(setup, 1);
      await count();
      setup.setClock(setup.startsAt + MINUTE - 1);
      expect((await count()).admitted).toBe(false);
      setup.setClock(setup.startsAt + MINUTE);
      expect(await count()).toMatchObject({ admitted: true, rate: { remaining: 0 } });
    },
  },
  {
    what: 'counts without an event, and writes nothing then',
    async run(setup) {
      const { principal, count } = account(setup, 2);
      expect((await times(5, count)).map(({ admitted }) => admitted).sort()).toEqual([
        false,
        false,
        false,
        true,
        true,
      ]);
      expect(await setup.eventsOf(principal)).toEqual([]);
    },
  },
  {
    what: 'writes without a limit, and touches no counter then',
    async run(setup) {
      const principal = newPrincipal();
      const answers = await times(50, () =>
        setup.write(principal, { event: eventOf(principal, setup.startsAt) }),
      );
      expect(answers).toEqual(Array(50).fill({ admitted: true, rate: null }));
      expect(await setup.eventsOf(principal)).toHaveLength(50);
      expect(await setup.counted()).not.toContain(principal);
    },
  },
  {
    what: 'counts each account by itself',
    async run(setup) {
      const [one, other] = [account(setup, 1), account(setup, 1)];
      await times(3, one.mint);
      expect((await other.mint()).admitted).toBe(true);
    },
  },
  {
    what: 'writes an event that is said twice once',
    async run(setup) {
      const principal = newPrincipal();
      const event = eventOf(principal, setup.startsAt);
      await setup.write(principal, { event });
      await setup.write(principal, { event });
      await setup.write(principal, { event, rate: { key: principal, limit: 9 } });
      expect(await setup.eventsOf(principal)).toHaveLength(1);
    },
  },
  {
    what: 'keeps no counter for client ids that an address over its limit invents',
    async run(setup) {
      const address = `address-${crypto.randomUUID()}`;
      const clients = async () => (await setup.counted()).filter((key) => key.startsWith('failed:client:'));
      const before = await clients();
      const refused = await times(2 * FAILED_CREDENTIALS_LIMIT, () => guess(setup, address));
      expect(refused.filter(Boolean)).toHaveLength(FAILED_CREDENTIALS_LIMIT);
      const bought = (await clients()).filter((key) => !before.includes(key));
      expect(bought).toHaveLength(FAILED_CREDENTIALS_LIMIT);
      expect(await setup.counted()).toContain(`failed:address:${address}`);
    },
  },
  {
    what: 'admits as many instance names as their limit says, when 40 come at once, and each of them again',
    async run(setup) {
      const { principal, mint } = namer(setup);
      const names = Array.from({ length: 40 }, (_, index) => `room-${index}`);
      const answers = await Promise.all(names.map((name) => mint(name)));
      expect(admittedOf(answers)).toBe(3);
      const again = await Promise.all(names.map((name) => mint(name)));
      expect(again.map(({ admitted }) => admitted)).toEqual(answers.map(({ admitted }) => admitted));
      const refused = again.find(({ admitted }) => !admitted);
      expect(refused?.nextInstanceAt).toBe(setup.startsAt + INSTANCE_WINDOW_MS);
      const types = await typesOf(setup, principal);
      expect(types.filter((type) => type === 'ticket.issued')).toHaveLength(6);
      expect(types.filter((type) => type === 'rate.limited')).toHaveLength(1);
      expect(types).toHaveLength(7);
    },
  },
  {
    what: 'admits a further name to the millisecond when the first mark ends, and records that flood again',
    async run(setup) {
      const { principal, mint } = namer(setup);
      const admitted = async (name: string, ms: number) => {
        setup.setClock(setup.startsAt + ms);
        return (await mint(name)).admitted;
      };
      for (const [name, ms] of [
        ['a', 0],
        ['b', 1000],
        ['c', 2000],
      ] as const)
        expect(await admitted(name, ms)).toBe(true);
      // A further ticket does not prolong a mark.
      expect(await admitted('a', INSTANCE_WINDOW_MS - 2)).toBe(true);
      expect(await admitted('d', INSTANCE_WINDOW_MS - 1)).toBe(false);
      expect(await admitted('d', INSTANCE_WINDOW_MS)).toBe(true);
      expect(await admitted('a', INSTANCE_WINDOW_MS + 1)).toBe(false);
      expect(await admitted('a', INSTANCE_WINDOW_MS + 1000)).toBe(true);
      expect(await admitted('b', 2 * INSTANCE_WINDOW_MS - 1)).toBe(true);
      expect(await admitted('e', 2 * INSTANCE_WINDOW_MS - 1)).toBe(false);
      expect(await admitted('e', 2 * INSTANCE_WINDOW_MS)).toBe(true);
      const types = await typesOf(setup, principal);
      expect(types.filter((type) => type === 'rate.limited')).toHaveLength(2);
    },
  },
  {
    what: 'marks no instance of a request that its rate limit refuses, and says that flood once',
    async run(setup) {
      const { principal, mint } = namer(setup);
      expect(admittedOf([await mint('a', 1), await mint('b', 1), await mint('c', 1)])).toBe(1);
      expect((await setup.counted()).filter((key) => key.includes(`${principal}\n`))).toEqual([
        `instance:${principal}\ncounter/a`,
      ]);
      expect((await typesOf(setup, principal)).sort()).toEqual(['rate.limited', 'ticket.issued']);
      for (const name of ['d', 'e', 'f', 'g']) await mint(name);
      // The rate limit again, in the same minute and beyond the limit of names.
      expect((await mint('g', 1)).nextInstanceAt).toBeUndefined();
      expect((await typesOf(setup, principal)).filter((type) => type === 'rate.limited')).toHaveLength(2);
    },
  },
  {
    what: 'counts the instance names of each account by itself, also where one name begins with the other',
    async run(setup) {
      const one = newPrincipal();
      const accounts = [one, `${one} `, `${one}/counter`, `${one}~`].map((name) => namer(setup, name));
      for (const { mint } of accounts)
        expect(admittedOf(await Promise.all(['a', 'b', 'c', 'd'].map((name) => mint(name))))).toBe(3);
    },
  },
  {
    what: 'keeps marks of instance names for their hour, and no longer',
    async run(setup) {
      const { principal, mint } = namer(setup);
      for (const name of ['a', 'b', 'c', 'd']) await mint(name);
      setup.setClock(setup.startsAt + INSTANCE_WINDOW_MS - 60_000);
      await setup.minute();
      expect((await mint('d')).admitted).toBe(false);
      setup.setClock(setup.startsAt + 7_200_000);
      await setup.minute();
      expect((await setup.counted()).filter((key) => key.includes(principal))).toEqual([]);
    },
  },
  {
    what: 'forgets counters of minutes that are over',
    async run(setup) {
      const { principal, count } = account(setup, 5);
      await count();
      expect(await setup.counted()).toContain(principal);
      setup.setClock(setup.startsAt + 7_200_000);
      await setup.minute();
      expect(await setup.counted()).not.toContain(principal);
    },
  },
];

export function describeRecording(open: () => Promise<RecordingSetup>): void {
  describe('counting and recording', () => {
    it.each(CASES)('$what', async ({ run }) => run(await open()));
  });
}
