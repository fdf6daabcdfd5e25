import { expect, it } from 'vitest';
import { flushOutbox } from '../src/revocation/outbox.ts';
import { assertion, serveCerts, TEAM } from './access.ts';
import { startBroker } from './broker.ts';
import { call, mint, newInstance } from './call.ts';
import { NOW } from './clock.ts';
import { delivered, eventsWith } from './record.ts';

/** The race that `node/first-user.test.ts` has on libSQL, on D1 and with mint shards. */
it('of twelve first users at once one owns the instance, and one grant is in the audit log: that one', async () => {
  serveCerts();
  const { front, ports } = startBroker();
  const instance = newInstance();
  const people = Array.from({ length: 12 }, () => crypto.randomUUID());
  const assertions = await Promise.all(people.map((sub) => assertion({ sub, email: `${sub}@people.test` })));
  // Keys of the team, so that none of those who race waits for them.
  await call('/me', { headers: await assertion(), front });
  const replies = await Promise.all(
    assertions.map((headers) => mint(headers, { agent: 'chat', instance }, { front })),
  );
  const statuses = replies.map(({ status }) => status);
  expect(statuses.filter((status) => status === 201)).toHaveLength(1);
  expect(statuses.filter((status) => status === 403)).toHaveLength(11);

  const winner = `access:${TEAM}:user:${people[statuses.indexOf(201)]}`;
  const { owners } = await ports.control.readPolicy({
    principal: winner,
    subjects: [],
    at: { agent: 'chat', instance },
    targets: [],
    claimsSince: 0,
    now: NOW * 1000,
  });
  expect(owners.map(({ subject }) => subject)).toEqual([winner]);
  await delivered();
  await flushOutbox(ports);
  const events = await eventsWith('instance_id', instance);
  const created = events.filter(({ type }) => type === 'grant.created');
  expect(created.map(({ user_id }) => user_id)).toEqual([winner]);
  expect(JSON.parse(created[0]?.details ?? '')).toMatchObject({ grant: owners[0]?.id, subject: winner });
  const own = events.filter(({ user_id }) => user_id === winner).map(({ type }) => type);
  // The event of the claim is delivered beside the answer, the other by the mint shard: no order is promised.
  expect(own.toSorted()).toEqual(['grant.created', 'ticket.issued']);
  expect(await ports.control.outbox.count()).toBe(0);
});
