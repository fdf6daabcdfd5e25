import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { PrincipalId, TicketId } from '@agent-ticket/shared/names.ts';
import { describe, expect, it } from 'vitest';
import { countFailure } from '../src/credentials/failures.ts';
import { FAILED_CREDENTIALS_LIMIT, type Ledger, type LedgerAnswer } from '../src/mint/ledger.ts';

/** What every ledger promises, wherever it runs: one table of cases, and a runner beside each runtime. */

/** 2027-01-15T08:00:00Z or any other time: cases move on from where a world begins. In ms. */
export interface LedgerWorld {
  readonly ledger: Ledger;
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
function account(world: LedgerWorld, limit: number) {
  const principal = newPrincipal();
  return {
    principal,
    mint: (type?: AuditEvent['type']): Promise<LedgerAnswer> =>
      world.ledger.settle(principal, {
        rate: { key: principal, limit },
        event: eventOf(principal, world.startsAt, type),
      }),
    count: (): Promise<LedgerAnswer> => world.ledger.settle(principal, { rate: { key: principal, limit } }),
  };
}

/** A wrong secret for a client id that nobody has; whether the limit let the refusal through as it was. */
async function guess({ ledger, startsAt }: LedgerWorld, ipAddress: string): Promise<boolean> {
  const headers = { 'cf-access-client-id': crypto.randomUUID(), 'cf-access-client-secret': 'x' };
  const request = new Request('https://broker.test/tickets', { headers });
  const answer = await countFailure(
    { ok: false, denial: { reason: 'credential_unknown' } },
    { request, ipAddress, now: startsAt, requestId: 'request-1' },
    { ledger, log: () => {} },
  );
  return !answer.ok && answer.denial.reason === 'credential_unknown';
}

const times = <T>(count: number, make: () => Promise<T>): Promise<T[]> =>
  Promise.all(Array.from({ length: count }, make));
const admittedOf = (answers: readonly LedgerAnswer[]): number =>
  answers.filter(({ admitted }) => admitted).length;
const typesOf = async (world: LedgerWorld, principal: string): Promise<string[]> =>
  (await world.eventsOf(principal)).map(({ type }) => type);

interface LedgerCase {
  readonly what: string;
  readonly run: (world: LedgerWorld) => Promise<void>;
}

const CASES: readonly LedgerCase[] = [
  {
    what: 'counts down to nothing, and says when the window ends',
    async run(world) {
      const { mint } = account(world, 3);
      const answers = [await mint(), await mint(), await mint(), await mint(), await mint()];
      expect(answers.map(({ admitted, rate }) => [admitted, rate?.limit, rate?.remaining])).toEqual([
        [true, 3, 2],
        [true, 3, 1],
        [true, 3, 0],
        [false, 3, 0],
        [false, 3, 0],
      ]);
      const resetAt = Math.ceil((world.startsAt + MINUTE) / 1000);
      expect(new Set(answers.map(({ rate }) => rate?.resetAt))).toEqual(new Set([resetAt]));
    },
  },
  {
    what: 'is exact when 200 come at once: as many admitted as the limit says, each with its event',
    async run(world) {
      const { principal, mint } = account(world, 150);
      const answers = await times(200, mint);
      expect(admittedOf(answers)).toBe(150);
      const left = answers.flatMap(({ admitted, rate }) =>
        admitted && rate !== null ? [rate.remaining] : [],
      );
      expect(left.sort((a, b) => a - b)).toEqual(Array.from({ length: 150 }, (_, index) => index));
      const types = await typesOf(world, principal);
      expect(types.filter((type) => type === 'ticket.issued')).toHaveLength(150);
      expect(types.filter((type) => type === 'rate.limited')).toHaveLength(1);
      expect(types).toHaveLength(151);
    },
  },
  {
    what: 'has the event in the log when it answers, one for one',
    async run(world) {
      const { principal, mint } = account(world, 10);
      for (const type of ['ticket.issued', 'ticket.denied', 'ticket.issued'] as const) await mint(type);
      expect(await typesOf(world, principal)).toEqual(['ticket.issued', 'ticket.denied', 'ticket.issued']);
    },
  },
  {
    what: 'tells of a flood once a window, as a refusal without the ticket that never was',
    async run(world) {
      const { principal, mint } = account(world, 1);
      await times(20, mint);
      world.setClock(world.startsAt + MINUTE);
      await times(20, mint);
      expect((await typesOf(world, principal)).sort()).toEqual([
        'rate.limited',
        'rate.limited',
        'ticket.issued',
        'ticket.issued',
      ]);
      const told = (await world.eventsOf(principal)).find(({ type }) => type === 'rate.limited');
      expect(told).toMatchObject({ outcome: 'denied', code: 'rate_limited', jti: null });
    },
  },
  {
    what: 'opens the next window to the millisecond, and not before',
    async run(world) {
      const { count } = account(world, 1);
      await count();
      world.setClock(world.startsAt + MINUTE - 1);
      expect((await count()).admitted).toBe(false);
      world.setClock(world.startsAt + MINUTE);
      expect(await count()).toMatchObject({ admitted: true, rate: { remaining: 0 } });
    },
  },
  {
    what: 'counts without an event, and writes nothing then',
    async run(world) {
      const { principal, count } = account(world, 2);
      expect((await times(5, count)).map(({ admitted }) => admitted).sort()).toEqual([
        false,
        false,
        false,
        true,
        true,
      ]);
      expect(await world.eventsOf(principal)).toEqual([]);
    },
  },
  {
    what: 'writes without a limit, and touches no counter then',
    async run(world) {
      const principal = newPrincipal();
      const answers = await times(50, () =>
        world.ledger.settle(principal, { event: eventOf(principal, world.startsAt) }),
      );
      expect(answers).toEqual(Array(50).fill({ admitted: true, rate: null }));
      expect(await world.eventsOf(principal)).toHaveLength(50);
      expect(await world.counted()).not.toContain(principal);
    },
  },
  {
    what: 'counts each account by itself',
    async run(world) {
      const [one, other] = [account(world, 1), account(world, 1)];
      await times(3, one.mint);
      expect((await other.mint()).admitted).toBe(true);
    },
  },
  {
    what: 'writes an event that is said twice once',
    async run(world) {
      const principal = newPrincipal();
      const event = eventOf(principal, world.startsAt);
      await world.ledger.settle(principal, { event });
      await world.ledger.settle(principal, { event });
      await world.ledger.settle(principal, { event, rate: { key: principal, limit: 9 } });
      expect(await world.eventsOf(principal)).toHaveLength(1);
    },
  },
  {
    what: 'keeps no counter for client ids that an address over its limit invents',
    async run(world) {
      const address = `address-${crypto.randomUUID()}`;
      const clients = async () => (await world.counted()).filter((key) => key.startsWith('failed:client:'));
      const before = await clients();
      const told = await times(2 * FAILED_CREDENTIALS_LIMIT, () => guess(world, address));
      expect(told.filter(Boolean)).toHaveLength(FAILED_CREDENTIALS_LIMIT);
      const bought = (await clients()).filter((key) => !before.includes(key));
      expect(bought).toHaveLength(FAILED_CREDENTIALS_LIMIT);
      expect(await world.counted()).toContain(`failed:address:${address}`);
    },
  },
  {
    what: 'forgets counters of minutes that are over',
    async run(world) {
      const { principal, count } = account(world, 5);
      await count();
      expect(await world.counted()).toContain(principal);
      world.setClock(world.startsAt + 7_200_000);
      await world.minute();
      expect(await world.counted()).not.toContain(principal);
    },
  },
];

export function describeLedger(open: () => Promise<LedgerWorld>): void {
  describe('a ledger', () => {
    it.each(CASES)('$what', async ({ run }) => run(await open()));
  });
}
