import { targetNamesOf } from '@agent-ticket/shared/target.ts';
import { afterEach, beforeAll, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { flushOutbox } from '../../../src/revocation/changes.ts';
import { bodyOf } from '../answers.ts';
import { NOW } from '../start-broker.ts';
import { idOf, type OperatorBroker, type Person, ROOT, startOperatorBroker } from './operator-broker.ts';

/** Deleting a grant, and the tickets that it put out. */

const BOB: Person = { sub: 'bob' };
const CAROL: Person = { sub: 'carol' };

let broker: OperatorBroker;
beforeAll(async () => {
  broker = await startOperatorBroker();
});
afterEach(() => {
  vi.restoreAllMocks();
});

let rooms = 0;
const newRoom = (): string => `recalled-${++rooms}`;

async function grant(instance: string, subject: string): Promise<string> {
  const body = { subject, agent: 'counter', instance, role: 'admin', reason: 'test' };
  const made = await bodyOf(await broker.call(ROOT, 'POST', '/admin/grants', body));
  return z.string().parse(made.id);
}
const remove = (id: string) => broker.call(ROOT, 'DELETE', `/admin/grants/${id}`);

/** Whether a ticket of somebody's for an instance is recalled, issued so many ms after the beginning. */
const isRecalled = (who: Person, instance: string, afterMs = 0) =>
  broker.isRecalled({
    principal: idOf(who),
    targets: targetNamesOf({ principal: idOf(who), agent: 'counter', instance }),
    issuedAt: NOW * 1000 + afterMs,
  });

it('recalls them before the worker hears of it, and before the answer', async () => {
  const instance = newRoom();
  const id = await grant(instance, idOf(BOB));
  const seen: boolean[] = [];
  const { answer } = broker.worker;
  broker.worker.answer = async () => {
    seen.push(await isRecalled(BOB, instance));
    return answer();
  };
  expect((await remove(id)).status).toBe(200);
  broker.worker.answer = answer;
  expect(seen).toEqual([true]);
  expect(await isRecalled(BOB, instance)).toBe(true);
  expect(await isRecalled(BOB, instance, 1)).toBe(false);
  expect(await isRecalled(CAROL, instance)).toBe(false);
  expect(await isRecalled(BOB, newRoom())).toBe(false);
});

it('recalls those of everybody there where the grant was for an address or a group', async () => {
  const instance = newRoom();
  await remove(await grant(instance, 'group:https://tenant.test/:staff'));
  expect([await isRecalled(BOB, instance), await isRecalled(CAROL, instance)]).toEqual([true, true]);
});

it('recalls those that were issued while it was being deleted', async () => {
  const instance = newRoom();
  const id = await grant(instance, idOf(BOB));
  const { grants } = broker.ports;
  const { delete: take } = grants;
  vi.spyOn(grants, 'delete').mockImplementation(async (...args) => {
    broker.clock.now += 1;
    return take(...args);
  });
  await remove(id);
  broker.clock.now = NOW;
  expect([await isRecalled(BOB, instance, 1000), await isRecalled(BOB, instance, 1001)]).toEqual([
    true,
    false,
  ]);
});

it('is told that it is pending while the record database is away, and the outbox makes up for it', async () => {
  const instance = newRoom();
  const id = await grant(instance, idOf(BOB));
  vi.spyOn(broker.ports.termination.recalls, 'set').mockRejectedValueOnce(
    new Error('Network connection lost.'),
  );
  const { delete: take } = broker.ports.grants;
  vi.spyOn(broker.ports.grants, 'delete').mockImplementation(async (...args) => {
    broker.clock.now += 1;
    return take(...args);
  });
  const answer = await remove(id);
  expect(answer.status).toBe(202);
  expect(await bodyOf(answer)).toMatchObject({ receipt: { pending: 1 } });
  expect(await isRecalled(BOB, instance)).toBe(false);
  broker.clock.now += 60;
  expect(await flushOutbox(broker.ports)).toBe(1);
  broker.clock.now = NOW;
  // As far as the deletion went, and no further: what was issued since is by other rights.
  expect([await isRecalled(BOB, instance, 1000), await isRecalled(BOB, instance, 1001)]).toEqual([
    true,
    false,
  ]);
  expect(await broker.changesWaiting()).toBe(0);
});
