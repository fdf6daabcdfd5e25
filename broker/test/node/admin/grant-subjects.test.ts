import { beforeAll, describe, expect, it } from 'vitest';
import { bodyOf } from '../answers.ts';
import { idOf, type OperatorBroker, type Person, ROOT, startOperatorBroker } from './operator-broker.ts';

let broker: OperatorBroker;
beforeAll(async () => {
  broker = await startOperatorBroker();
});

const MAIL = 'bob@tenant.test';
const verified = { email: MAIL, email_verified: true };

/** Whether a grant to the subject, on an instance of its own, opens it to the person. */
async function opens(subject: string, person: Person): Promise<boolean> {
  const instance = crypto.randomUUID();
  const made = await broker.call(ROOT, 'POST', '/admin/grants', {
    subject,
    agent: 'hidden',
    instance,
    role: 'viewer',
    reason: 'test',
  });
  expect(made.status).toBe(201);
  return (await broker.mint(person, 'hidden', instance)) === 201;
}

describe('a grant to a subject opens the agent to', () => {
  it.each<[string, string, Person, boolean]>([
    ['the principal that it names', idOf({ sub: 'bob' }), { sub: 'bob' }, true],
    ['nobody else', idOf({ sub: 'bob' }), { sub: 'bobby' }, false],
    ['not the same subject of another issuer', idOf({ sub: 'bob' }), { sub: 'bob', at: 'other' }, false],
    ['a verified address of a trusted issuer', `email:${MAIL}`, { sub: 'bob', ...verified }, true],
    [
      'an address however the token spells it',
      `email:${MAIL}`,
      { sub: 'bob', email: 'BOB@Tenant.Test', email_verified: true },
      true,
    ],
    ['an address however the grant spelled it', 'email:BoB@TENANT.test', { sub: 'bob', ...verified }, true],
    [
      'no address that is not verified',
      `email:${MAIL}`,
      { sub: 'b', email: MAIL, email_verified: false },
      false,
    ],
    ['no address about which nothing is said', `email:${MAIL}`, { sub: 'bob', email: MAIL }, false],
    [
      'no address of an issuer that is not trusted',
      `email:${MAIL}`,
      { sub: 'b', at: 'other', ...verified },
      false,
    ],
    [
      'no other address',
      `email:${MAIL}`,
      { sub: 'b', email: 'eve@tenant.test', email_verified: true },
      false,
    ],
    ['everyone of a domain', 'email:*@Tenant.test', { sub: 'bob', ...verified }, true],
    [
      'no subdomain',
      'email:*@tenant.test',
      { sub: 'b', email: 'b@x.tenant.test', email_verified: true },
      false,
    ],
    ['no domain that ends alike', 'email:*@ant.test', { sub: 'bob', ...verified }, false],
    ['a member of a group', 'group:https://tenant.test/:staff', { sub: 'bob', teams: ['staff'] }, true],
    [
      'no member of another group',
      'group:https://tenant.test/:staff',
      { sub: 'b', teams: ['guests'] },
      false,
    ],
    [
      'no member of the group of that name at another issuer',
      'group:https://tenant.test/:staff',
      { sub: 'bob', at: 'other', teams: ['staff'] },
      false,
    ],
  ])('%s', async (_what, subject, person, allowed) => {
    expect(await opens(subject, person)).toBe(allowed);
  });
});

it('an address is kept and shown in lower case', async () => {
  const answer = await broker.call(ROOT, 'POST', '/admin/grants', {
    subject: 'email:Carol@Tenant.TEST',
    agent: 'counter',
    instance: '*',
    role: 'admin',
    reason: 'test',
  });
  expect(await bodyOf(answer)).toMatchObject({ subject: 'email:carol@tenant.test' });
});

it('a group owns as well as a person does', async () => {
  const group = {
    subject: 'group:https://tenant.test/:staff',
    agent: 'counter',
    instance: 'team',
    role: 'owner',
  };
  await broker.call(ROOT, 'POST', '/admin/grants', { ...group, reason: 'test' });
  const body = { ...group, subject: idOf({ sub: 'new' }), role: 'viewer', reason: 'test' };
  const [member, guest] = await Promise.all(
    [['staff'], ['guests']].map((teams) => broker.call({ sub: 'm', teams }, 'POST', '/admin/grants', body)),
  );
  expect([member?.status, guest?.status]).toEqual([201, 403]);
});
