import { describe, expect, it } from 'vitest';
import { PAYLOAD } from '../test/tickets.ts';
import { PrincipalId } from './names.ts';
import {
  LockTarget,
  readTargetName,
  type Target,
  targetName,
  targetNameOfParty,
  targetNamesOf,
} from './target.ts';
import { TicketClaims } from './ticket.ts';

const UUID = '5f8f1c9e-3b52-4c0d-9a53-0f1d6a1f7e11';
const OPENED_BY = '9d8c7b6a-0000-4000-8000-000000000002';
const TOKEN = `svc_${'a'.repeat(22)}`;
const KID = 'k'.repeat(43);

const NAMES: readonly [name: string, target: object][] = [
  ['everything:', { kind: 'everything' }],
  ['agent:counter', { kind: 'agent', agent: 'counter' }],
  ['instance:counter/main', { kind: 'instance', agent: 'counter', instance: 'main' }],
  ['principal:auth0:tenant.example:auth0|42', { kind: 'principal', id: 'auth0:tenant.example:auth0|42' }],
  [`service-token:${TOKEN}`, { kind: 'service-token', id: TOKEN }],
  [`session:${UUID}`, { kind: 'session', id: UUID }],
  [`key:${KID}`, { kind: 'key', kid: KID }],
  ['grant:a/b:c', { kind: 'grant', id: 'a/b:c' }],
  ['login:0f', { kind: 'login', id: '0f' }],
  [`ticket:${UUID}`, { kind: 'ticket', jti: UUID }],
  ['address:192.0.2.7', { kind: 'address', address: '192.0.2.7' }],
  ['address:2001:db8::7', { kind: 'address', address: '2001:db8::7' }],
];

describe('the name of a target', () => {
  it.each(NAMES)('%s names one target, both ways', (name, target) => {
    expect(readTargetName(name)).toEqual(target);
    expect(targetName(readTargetName(name))).toBe(name);
  });

  it.each([
    '',
    ':',
    'everything',
    'agent:',
    'agent:Counter',
    'everything:more',
    'instance:counter',
    'instance:counter/',
    'instance:/main',
    'instance:counter/ma in',
    'session:x',
    'service-token:nightly',
    'key:short',
    'grant:',
    'login:',
    'ticket:x',
    'address:',
    'address:192.0.2',
    'address:people.test',
    'nobody:x',
    'principal:',
    `principal:token:${TOKEN}`,
    `session:${UUID.toUpperCase()}`,
  ])('%j is none', (name) => {
    expect(() => readTargetName(name)).toThrow();
  });

  it('of a service token is the same by its id, by its principal and as an OAuth client', () => {
    const byPrincipal = LockTarget.parse({ kind: 'principal', id: `token:${TOKEN}` });
    expect(byPrincipal).toEqual({ kind: 'service-token', id: TOKEN });
    expect(targetName(byPrincipal)).toBe(`service-token:${TOKEN}`);
    expect(targetNameOfParty(PrincipalId.parse(`token:${TOKEN}`))).toBe(`service-token:${TOKEN}`);
  });

  it('of a session is in lower case, however an operator spells it', () => {
    expect(LockTarget.parse({ kind: 'session', id: UUID.toUpperCase() })).toEqual({
      kind: 'session',
      id: UUID,
    });
  });
});

describe('what an operator may lock', () => {
  it.each<Target['kind']>(['grant', 'login', 'address'])('does not include one %s', (kind) => {
    expect(LockTarget.safeParse({ kind, id: 'x', jti: UUID }).success).toBe(false);
  });

  it('takes no member that is not of its kind', () => {
    expect(LockTarget.safeParse({ kind: 'agent', agent: 'counter', instance: 'main' }).success).toBe(false);
  });
});

describe('the names of a ticket', () => {
  const claimsWith = (differs: object) => TicketClaims.parse({ ...PAYLOAD, ...differs });
  const ALWAYS = [
    'everything:',
    'agent:counter',
    'instance:counter/room-1',
    `principal:${PAYLOAD.sub}`,
    `key:${KID}`,
    `ticket:${PAYLOAD.jti}`,
  ];

  it.each<[string, object, { id: string; ticket: string } | undefined, string[]]>([
    ['nothing more', {}, undefined, []],
    ['its grant', { grant: 'grant-1' }, undefined, ['grant:grant-1']],
    ['its sign-in', { login: '0f' }, undefined, ['login:0f']],
    ['its session', {}, { id: UUID, ticket: PAYLOAD.jti }, [`session:${UUID}`]],
    [
      'the ticket that opened its session, which another has renewed',
      {},
      { id: UUID, ticket: OPENED_BY },
      [`session:${UUID}`, `ticket:${OPENED_BY}`],
    ],
    ['its OAuth client', { client_id: TOKEN }, undefined, [`service-token:${TOKEN}`]],
    ['a client that is no token of ours', { client_id: 'app' }, undefined, ['principal:token:app']],
    [
      'every actor',
      { act: { sub: 'auth0:t:one', act: { sub: `token:${TOKEN}` } } },
      undefined,
      ['principal:auth0:t:one', `service-token:${TOKEN}`],
    ],
  ])('include %s', (_what, differs, session, more) => {
    const of = { claims: claimsWith(differs), kid: KID };
    const names = targetNamesOf(session === undefined ? of : { ...of, session });
    expect([...names].sort()).toEqual([...ALWAYS, ...more].sort());
  });

  it('of a session include its address, which no ticket has', () => {
    const claims = claimsWith({});
    const namesFrom = (ipAddress: string | null) =>
      targetNamesOf({ claims, kid: KID, session: { id: UUID, ticket: UUID, ipAddress } });
    expect(namesFrom('192.0.2.7')).toContain('address:192.0.2.7');
    expect(namesFrom(null)).not.toContain('address:null');
  });

  it('of a service token have it as a token, not as a principal', () => {
    const names = targetNamesOf({ claims: claimsWith({ sub: `token:${TOKEN}` }), kid: KID });
    expect(names).toContain(`service-token:${TOKEN}`);
    expect(names.filter((name) => name.startsWith('principal:'))).toEqual([]);
  });

  it('are all canonical', () => {
    const claims = claimsWith({ grant: 'g', login: 'l', client_id: TOKEN, act: { sub: 'auth0:t:one' } });
    for (const name of targetNamesOf({ claims, kid: KID, session: { id: UUID, ticket: OPENED_BY } }))
      expect(targetName(readTargetName(name))).toBe(name);
  });
});
