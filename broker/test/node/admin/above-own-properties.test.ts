import { ROLES, type Role, roleAtLeast } from '@agent-ticket/shared/names.ts';
import { forAll } from '@agent-ticket/shared/test/property.ts';
import fc from 'fast-check';
import { beforeAll, expect, it } from 'vitest';
import { idOf, type OperatorBroker, type Person, ROOT, startOperatorBroker } from './operator-broker.ts';

/** However people give roles on to each other, nobody gives one above the own. */

let broker: OperatorBroker;
beforeAll(async () => {
  broker = await startOperatorBroker();
});

const PEOPLE = {
  clerk: { sub: 'clerk', permissions: ['grants:write'] },
  owner: { sub: 'owner' },
  bob: { sub: 'bob' },
} as const satisfies Readonly<Record<string, Person>>;
type Name = keyof typeof PEOPLE;
const NAMES = ['clerk', 'owner', 'bob'] as const satisfies readonly Name[];

const step = fc.record({
  by: fc.constantFrom('root' as const, ...NAMES),
  to: fc.constantFrom(...NAMES),
  role: fc.constantFrom(...ROLES),
  place: fc.constantFrom('a', 'b', '*'),
});

let runs = 0;

it('each grant that is made has a role that its maker has there', () =>
  forAll(fc.array(step, { minLength: 2, maxLength: 4 }), async (steps) => {
    runs += 1;
    // Past the limit of calls.
    broker.clock.now += 61;
    const given: { readonly to: Name; readonly role: Role; readonly instance: string }[] = [];
    for (const { by, to, role, place } of steps) {
      // An administrator gives single instances: a grant of all would last for the next steps of other runs.
      if (by === 'root' && place === '*') continue;
      const instance = place === '*' ? place : `${place}${runs}`;
      const body = { subject: idOf(PEOPLE[to]), agent: 'counter', instance, role, reason: 'test' };
      // In the long mode a week passes, longer than a token lives.
      const { now } = broker.clock;
      const maker = { ...(by === 'root' ? ROOT : PEOPLE[by]), iat: now - 60, exp: now + 3600 };
      const { status } = await broker.call(maker, 'POST', '/admin/grants', body);
      if (status !== 201) {
        expect([403, 409]).toContain(status);
        continue;
      }
      const held = given
        .filter((each) => each.to === by && each.instance === instance)
        .map((each) => each.role);
      // Everybody is a viewer of this agent. Who lacks the permission must be the owner.
      if (by === 'clerk')
        expect([...held, 'viewer' as const].some((own) => roleAtLeast(own, role))).toBe(true);
      else if (by !== 'root') expect(held).toContain('owner');
      given.push({ to, role, instance });
    }
  }));
