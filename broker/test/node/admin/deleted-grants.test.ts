import { targetNamesOf } from '@agent-ticket/shared/target.ts';
import { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import { decodeJwt } from 'jose';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { flushOutbox } from '../../../src/revocation/outbox.ts';
import { bodyOf } from '../answers.ts';
import { NOW } from '../start-broker.ts';
import { idOf, type OperatorBroker, type Person, ROOT, startOperatorBroker } from './operator-broker.ts';

/** Deleting a grant, and the tickets that it decided. */

const BOB: Person = { sub: 'bob', teams: ['staff'] };
const CAROL: Person = { sub: 'carol', teams: ['staff'] };
const STAFF = 'group:https://tenant.test/:staff';

let broker: OperatorBroker;
beforeAll(async () => {
  broker = await startOperatorBroker();
});
afterEach(() => {
  vi.restoreAllMocks();
});

async function grant(instance: string, subject: string): Promise<string> {
  const body = { subject, agent: 'counter', instance, role: 'admin', reason: 'test' };
  const made = await bodyOf(await broker.call(ROOT, 'POST', '/admin/grants', body));
  return z.string().parse(made.id);
}
const remove = (id: string) => broker.call(ROOT, 'DELETE', `/admin/grants/${id}`);

/** The claims of a new ticket. */
async function ticketOf(who: Person, instance: string): Promise<TicketClaims> {
  const answer = await broker.call(who, 'POST', '/tickets', { agent: 'counter', instance });
  return TicketClaims.parse(decodeJwt(z.string().parse((await bodyOf(answer)).ticket)));
}
const whyRevoked = (claims: TicketClaims) =>
  broker.whyRevoked({ names: targetNamesOf({ claims, kid: 'k' }), rev: claims.rev });

it('revokes them before the worker learns of it, and before the answer', async () => {
  const [instance, other] = [crypto.randomUUID(), crypto.randomUUID()];
  const id = await grant(instance, idOf(BOB));
  await grant(other, idOf(BOB));
  const [ticket, elsewhere, viewer] = [
    await ticketOf(BOB, instance),
    await ticketOf(BOB, other),
    await ticketOf(CAROL, instance),
  ];
  expect(ticket.grant).toBe(id);
  const seen: unknown[] = [];
  const { answer } = broker.worker;
  broker.worker.answer = async (command) => {
    seen.push(await whyRevoked(ticket));
    return answer(command);
  };
  expect((await remove(id)).status).toBe(200);
  broker.worker.answer = answer;
  expect(seen).toEqual(['rights_changed']);
  expect(await whyRevoked(ticket)).toBe('rights_changed');
  // Neither another's, nor those that rest on another grant, nor the next one.
  expect(await Promise.all([viewer, elsewhere, await ticketOf(BOB, instance)].map(whyRevoked))).toEqual(
    Array(3).fill(undefined),
  );
});

it('revokes those of everybody whom a group’s grant let in', async () => {
  const instance = crypto.randomUUID();
  const id = await grant(instance, STAFF);
  const tickets = [await ticketOf(BOB, instance), await ticketOf(CAROL, instance)];
  await remove(id);
  expect(await Promise.all(tickets.map(whyRevoked))).toEqual(['rights_changed', 'rights_changed']);
});

it('leaves those alone that another grant of the same role decided', async () => {
  const instance = crypto.randomUUID();
  const [first, second] = [await grant(instance, idOf(BOB)), await grant(instance, STAFF)];
  const ticket = await ticketOf(BOB, instance);
  await remove(ticket.grant === first ? second : first);
  expect(await whyRevoked(ticket)).toBeUndefined();
});

it('revokes one that is issued while it is being deleted', async () => {
  const instance = crypto.randomUUID();
  const id = await grant(instance, idOf(BOB));
  const { control } = broker.ports;
  const { readMintFacts } = control;
  vi.spyOn(control, 'readMintFacts').mockImplementationOnce(async (questions) => {
    const rows = await readMintFacts(questions);
    expect((await remove(id)).status).toBe(200);
    return rows;
  });
  expect(await whyRevoked(await ticketOf(BOB, instance))).toBe('rights_changed');
});

it('waits while the record database is away, and the outbox makes up for it', async () => {
  const instance = crypto.randomUUID();
  const id = await grant(instance, idOf(BOB));
  const ticket = await ticketOf(BOB, instance);
  vi.spyOn(broker.ports.record, 'deliverChange').mockRejectedValueOnce(new Error('Network connection lost.'));
  const answer = await remove(id);
  expect(answer.status).toBe(202);
  expect(await bodyOf(answer)).toMatchObject({ receipt: { pending: 1 } });
  expect(await whyRevoked(ticket)).toBeUndefined();
  broker.clock.now += 60;
  await flushOutbox(broker.ports);
  broker.clock.now = NOW;
  expect(await whyRevoked(ticket)).toBe('rights_changed');
  expect(await broker.changesWaiting()).toBe(0);
});
