import { beforeEach, describe, expect, it } from 'vitest';
import * as z from 'zod';
import {
  idOf,
  type OperatorBroker,
  type Person,
  startOperatorBroker,
  TENANT,
} from './admin/operator-broker.ts';
import { type TestIssuer, testIssuer } from './issuer.ts';
import { BROKER, NOW } from './start-broker.ts';

const TRANSMITTER = 'https://signals.test/';
const AUDIENCE = 'https://broker.test/caep';
const REVOKED = 'https://schemas.openid.net/secevent/caep/event-type/session-revoked';
const ALICE: Person = { sub: 'alice' };

let [broker, transmitter, other]: [OperatorBroker, TestIssuer, TestIssuer] = await prepare();
async function prepare(): Promise<[OperatorBroker, TestIssuer, TestIssuer]> {
  const alg = { alg: 'ES256' } as const;
  const issuers = [await testIssuer(TRANSMITTER, alg), await testIssuer(TRANSMITTER, alg)] as const;
  const started = await startOperatorBroker([], {
    CAEP_ISSUERS: JSON.stringify([
      { issuer: TRANSMITTER, audiences: [AUDIENCE], subjects: TENANT, jwks: issuers[0].keySet },
    ]),
  });
  return [started, ...issuers];
}
const claimsOf = (differs: object = {}, event: object = { event_timestamp: NOW }) => ({
  ...{ aud: AUDIENCE, iat: NOW, jti: crypto.randomUUID() },
  sub_id: { format: 'iss_sub', iss: TENANT, sub: 'alice' },
  events: { [REVOKED]: event },
  ...differs,
});
const push = (token: string, headers: Record<string, string> = {}) =>
  broker.app.request(`${BROKER}/caep/events`, {
    method: 'POST',
    headers: { 'content-type': 'application/secevent+jwt', accept: 'application/json', ...headers },
    body: token,
  });
const sign = (claims: object, header: object = {}, by = transmitter) =>
  by.sign({ ...claims }, { typ: 'secevent+jwt', ...header });
const RefusedSet = z.object({
  err: z.string(),
  description: z.string(),
  error: z.object({ code: z.string() }),
});
const errOf = async (answer: Response) => RefusedSet.parse(await answer.json()).err;
const mint = (who = ALICE) => broker.mint(who, 'counter');
const signOuts = () => broker.events.filter(({ type }) => type === 'login.ended');
const revocation = () => broker.ports.control.revocations.find(`before principal:${idOf(ALICE)}`);

describe('a session-revoked event', () => {
  beforeEach(async () => {
    [broker, transmitter, other] = await prepare();
  });

  it('refuses credentials of the person from before, and ends what rests on them', async () => {
    expect(await mint()).toBe(201);
    const answer = await push(await sign(claimsOf()));
    expect([answer.status, await answer.text()]).toEqual([202, '']);
    // Its bearer token is a minute older than the event.
    expect(await mint()).toBe(401);
    expect(await mint({ sub: 'bob' })).toBe(201);
    expect(await revocation()).toMatchObject({ kind: 'before', code: 'rights_changed' });
    expect(signOuts()).toMatchObject([{ principal: idOf(ALICE), details: { by: 'caep' } }]);
  });

  it('leaves later credentials alone: the moment of the event counts, not that of its arrival', async () => {
    expect((await push(await sign(claimsOf({}, { event_timestamp: NOW - 61 })))).status).toBe(202);
    // Sessions end all the same, and get new tickets.
    expect(await revocation()).toMatchObject({ code: 'rights_changed' });
    expect(await mint()).toBe(201);
    expect((await push(await sign(claimsOf({}, { event_timestamp: NOW - 60 })))).status).toBe(202);
    expect(await mint()).toBe(401);
    // An earlier event that arrives later undoes nothing.
    await push(await sign(claimsOf({}, { event_timestamp: NOW - 3600 })));
    expect(await mint()).toBe(401);
  });

  it('without a moment counts from its issue, and one to come from now', async () => {
    await push(await sign(claimsOf({}, {})));
    const id = idOf(ALICE);
    expect((await broker.ports.control.principals.find(id))?.tokensBefore).toBe(NOW * 1000);
    await push(await sign(claimsOf({}, { event_timestamp: NOW + 3600 })));
    expect((await broker.ports.control.principals.find(id))?.tokensBefore).toBe(NOW * 1000);
  });

  it('is executed once, however often it is sent, and answered alike', async () => {
    const token = await sign(claimsOf());
    const answers = [];
    for (let sent = 0; sent < 3; sent += 1) answers.push((await push(token)).status);
    expect(answers).toEqual([202, 202, 202]);
    expect(signOuts()).toHaveLength(1);
  });

  it('that failed is executed when it is sent again', async () => {
    const token = await sign(claimsOf());
    const { control } = broker.ports;
    const { change } = control;
    control.change = async () => Promise.reject(new Error('Network connection lost.'));
    expect((await push(token)).status).toBe(503);
    control.change = change;
    expect((await push(token)).status).toBe(202);
    expect(signOuts()).toHaveLength(1);
  });

  it('is limited for each transmitter, and the rest is to be sent later', async () => {
    const statuses = [];
    for (let sent = 0; sent < 62; sent += 1) statuses.push((await push(await sign(claimsOf()))).status);
    expect(statuses.filter((status) => status === 202)).toHaveLength(60);
    const refused = await push(await sign(claimsOf()));
    expect([refused.status, refused.headers.has('retry-after')]).toEqual([429, true]);
    broker.clock.now += 60;
    expect((await push(await sign(claimsOf({ iat: NOW + 60 })))).status).toBe(202);
  });

  it.each<[string, object]>([
    [
      'another kind',
      { events: { 'https://schemas.openid.net/secevent/caep/event-type/credential-change': {} } },
    ],
    [
      'the verification of a stream',
      {
        events: { 'https://schemas.openid.net/secevent/ssf/event-type/verification': { state: 'x' } },
      },
    ],
  ])('of %s is taken without effect', async (_what, differs) => {
    expect((await push(await sign(claimsOf(differs)))).status).toBe(202);
    expect(signOuts()).toEqual([]);
    expect(await mint()).toBe(201);
  });
});

describe('a security event token is refused', () => {
  let callers = 0;
  beforeEach(() => {
    // Refusals count by address.
    callers += 1;
    broker.caller.address = `192.0.2.${callers}`;
  });
  const changed = (differs: object) => () => sign(claimsOf(differs));
  const subject = (sub_id: unknown) => changed({ sub_id });

  it.each<[string, string, () => Promise<string>]>([
    ['that is no token', 'invalid_request', async () => 'e.y.J'],
    ['that is empty', 'invalid_request', async () => ''],
    ['of another type', 'invalid_request', () => sign(claimsOf(), { typ: 'JWT' })],
    ['of the type of a ticket', 'invalid_request', () => sign(claimsOf(), { typ: 'agent-ticket+jwt' })],
    ['of the type of a logout', 'invalid_request', () => sign(claimsOf(), { typ: 'logout+jwt' })],
    ['of an unknown issuer', 'invalid_issuer', changed({ iss: 'https://evil.test/' })],
    ['of the issuer of the people itself', 'invalid_issuer', changed({ iss: TENANT })],
    ['of an unknown key', 'invalid_key', () => sign(claimsOf(), { kid: 'key-2' })],
    ['by the key of another', 'invalid_key', () => sign(claimsOf(), {}, other)],
    ['for another audience', 'invalid_audience', changed({ aud: 'https://elsewhere.test' })],
    ['without an audience', 'invalid_audience', changed({ aud: undefined })],
    ['older than a week', 'invalid_request', changed({ iat: NOW - 7 * 86_400 - 31 })],
    ['from the future', 'invalid_request', changed({ iat: NOW + 31 })],
    ['without a time', 'invalid_request', changed({ iat: undefined })],
    ['without a jti', 'invalid_request', changed({ jti: undefined })],
    ['with an end, as an access token', 'invalid_request', changed({ exp: NOW + 60 })],
    ['with a nonce, as an ID token', 'invalid_request', changed({ nonce: 'n' })],
    ['with a sub, as a logout token', 'invalid_request', changed({ sub: 'alice' })],
    ['without an event', 'invalid_request', changed({ events: {} })],
    ['with an event that is no object', 'invalid_request', changed({ events: { [REVOKED]: 'now' } })],
    [
      'with a moment that is no number',
      'invalid_request',
      () => sign(claimsOf({}, { event_timestamp: '1' })),
    ],
    ['without a subject', 'invalid_request', subject(undefined)],
    [
      'with an address as subject',
      'invalid_request',
      subject({ format: 'email', email: 'alice@example.com' }),
    ],
    ['with a subject of many parts', 'invalid_request', subject({ format: 'complex', user: {} })],
    [
      'with a subject that nobody can have',
      'invalid_request',
      subject({ format: 'iss_sub', iss: TENANT, sub: 'ü' }),
    ],
    [
      'with the person of another issuer',
      'access_denied',
      subject({
        ...{ format: 'iss_sub', iss: 'https://other.test/', sub: 'alice' },
      }),
    ],
    [
      'with a person of its own',
      'access_denied',
      subject({ format: 'iss_sub', iss: TRANSMITTER, sub: 'alice' }),
    ],
    [
      'with a service token of ours',
      'access_denied',
      subject({ format: 'iss_sub', iss: BROKER, sub: 'token:svc_1' }),
    ],
  ])('%s: %s', async (_what, code, token) => {
    const before = signOuts().length;
    const answer = await push(await token());
    expect([answer.status, await errOf(answer)]).toEqual([400, code]);
    expect(signOuts()).toHaveLength(before);
  });

  it('in another media type', async () => {
    const token = await sign(claimsOf());
    expect((await push(token, { 'content-type': 'application/json' })).status).toBe(415);
  });

  it('after too many that were wrong, from the same address', async () => {
    const statuses = [];
    for (let sent = 0; sent < 40; sent += 1) statuses.push((await push('e.y.J')).status);
    expect(statuses.at(-1)).toBe(429);
    expect((await push(await sign(claimsOf()))).status).toBe(202);
  });

  it('by a broker without transmitters, which has no such route', async () => {
    const plain = await startOperatorBroker();
    const answer = await plain.app.request(`${BROKER}/caep/events`, {
      method: 'POST',
      headers: { 'content-type': 'application/secevent+jwt' },
      body: await sign(claimsOf()),
    });
    expect(answer.status).toBe(404);
  });
});

describe('CAEP_ISSUERS', () => {
  const settingsOf = (differs: object) => ({
    CAEP_ISSUERS: JSON.stringify([
      { issuer: TRANSMITTER, audiences: [AUDIENCE], subjects: TENANT, jwks: transmitter.keySet, ...differs },
    ]),
  });

  it.each<[string, object]>([
    ['subjects of no configured issuer', { subjects: 'https://nobody.test/' }],
    ['no subjects, and an issuer that is not configured', { subjects: undefined }],
    ['no keys', { jwks: undefined }],
    ['keys twice', { jwks_uri: 'https://signals.test/jwks' }],
    ['no audience', { audiences: [] }],
    ['an algorithm that nobody takes', { algorithms: ['HS256'] }],
    ['a key for another algorithm', { algorithms: ['RS256'] }],
    ['a member that is not known', { more: 1 }],
  ])('with %s refuses to start', async (_what, differs) => {
    await expect(startOperatorBroker([], settingsOf(differs))).rejects.toThrow(/CAEP_ISSUERS/);
  });
});
