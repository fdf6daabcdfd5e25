import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { makeSecret, makeTokenId } from '../../../src/credentials/secret.ts';
import { bodyOf } from '../answers.ts';
import { basic } from '../start-broker.ts';
import { idOf, type OperatorBroker, type Person, ROOT, startOperatorBroker } from './operator-broker.ts';

/** Somebody pastes from the wrong window: a credential in free text is refused, and kept nowhere. */

const bytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const SECRET = makeSecret(makeTokenId(bytes), bytes);
const SIGNATURE = crypto.randomUUID().replaceAll('-', '');
const TOKEN = `eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJ4In0.${SIGNATURE}`;
const ALICE: Person = { sub: 'alice' };

let broker: OperatorBroker;
beforeAll(async () => {
  broker = await startOperatorBroker();
});

const grant = { subject: idOf(ALICE), agent: 'counter', instance: 'main', role: 'viewer', reason: 'test' };
const lock = { target: { kind: 'agent', agent: 'counter' }, reason: 'test' };
const filter = (name: string, text: string) =>
  `/admin/agents/audit?${new URLSearchParams({ agent: 'counter', [name]: text })}`;

type Paste = readonly [what: string, field: string, ask: (text: string) => Promise<Response>];
const post =
  (path: string, body: (text: string) => object) =>
  (text: string): Promise<Response> =>
    broker.call(ROOT, 'POST', path, body(text));
const get = (path: (text: string) => string) => (text: string) => broker.call(ROOT, 'GET', path(text));

/** Places that take an instance name take no token: there are no dots in a name. */
const NAMES: readonly Paste[] = [
  ['the audit filter instance', 'instance', get((text) => filter('instance', text))],
  ['the instance of a ticket', 'instance', post('/tickets', (instance) => ({ agent: 'counter', instance }))],
  ['the instance to explain', 'instance', post('/explain', (instance) => ({ agent: 'counter', instance }))],
  ['the instance of a grant', 'instance', post('/admin/grants', (instance) => ({ ...grant, instance }))],
  [
    'the instance of a lock',
    'target.instance',
    post('/admin/locks', (instance) => ({
      ...lock,
      target: { kind: 'instance', agent: 'counter', instance },
    })),
  ],
  [
    'the scope of a ticket',
    'scope',
    post('/tickets', (text) => ({ agent: 'counter', scope: `agent:rpc:${text}` })),
  ],
];
const TEXTS: readonly Paste[] = [
  ['the reason of a grant', 'reason', post('/admin/grants', (reason) => ({ ...grant, reason }))],
  [
    'the subject of a grant',
    'subject',
    post('/admin/grants', (text) => ({ ...grant, subject: `group:https://x.test/:${text}` })),
  ],
  ['the reason of a lock', 'reason', post('/admin/locks', (reason) => ({ ...lock, reason }))],
  [
    'the target of a lock',
    'target.id',
    post('/admin/locks', (text) => ({ ...lock, target: { kind: 'principal', id: `auth0:${text}` } })),
  ],
  ['the name of a service token', 'name', post('/admin/service-tokens', (name) => ({ name }))],
  [
    'the groups to explain',
    'groups',
    post('/explain', (text) => ({ agent: 'counter', principal: idOf(ALICE), groups: ['staff', text] })),
  ],
  ['the audit filter principal', 'principal', get((text) => filter('principal', `auth0:${text}`))],
];

const kept = async (): Promise<string> => {
  const { folder } = broker;
  const files = await Promise.all(
    (await readdir(folder)).map((name) => readFile(join(folder, name), 'latin1')),
  );
  return files.join('\n') + JSON.stringify(broker.logged);
};

describe('a credential that is pasted into', () => {
  it.each([
    ...[...NAMES, ...TEXTS].map((paste) => [...paste, SECRET] as const),
    ...TEXTS.map((paste) => [...paste, TOKEN] as const),
  ])('%s is refused by the name of the field, and is kept nowhere', async (_what, field, ask, text) => {
    const answer = await ask(text);
    const said = JSON.stringify(await bodyOf(answer));
    expect([answer.status, said]).toEqual([
      400,
      expect.stringContaining(`the request is not valid: ${field} (it holds what looks like a credential)`),
    ]);
    for (const part of [SECRET, SIGNATURE]) {
      expect(said).not.toContain(part);
      expect(await kept()).not.toContain(part);
    }
  });

  it('a sentence is refused as well, and the log says which field it was', async () => {
    const body = { ...lock, reason: `leaked: ${SECRET}, see ticket 7` };
    expect((await broker.call(ROOT, 'POST', '/admin/locks', body)).status).toBe(400);
    expect(broker.logged.at(-1)).toMatchObject({ reason: 'secret_in_text', field: 'reason' });
  });
});

const ErrorBody = z.object({ error: z.looseObject({ request_id: z.uuid() }) });

describe('an instance that is called like a secret', () => {
  const said = async (answer: Response) => {
    const { request_id: _own, ...rest } = ErrorBody.parse(await answer.json()).error;
    return [answer.status, rest];
  };

  it('is no instance to delete, as any name that is not valid', async () => {
    const remove = async (who: Person, name: string) =>
      said(await broker.call(who, 'DELETE', `/api/agents/counter/${name}`));
    for (const who of [ROOT, ALICE])
      expect(await remove(who, SECRET)).toEqual(await remove(who, 'not%20valid'));
    expect(await kept()).not.toContain(SECRET);
  });

  it('is no resource at the token endpoint', async () => {
    const { clientId, clientSecret } = await broker.makeServiceToken();
    const ask = async (name: string) => {
      const form = {
        grant_type: 'client_credentials',
        resource: `https://agents.test/agents/counter/${name}`,
      };
      const answer = await broker.post('/token', form, basic(clientId, clientSecret));
      return [answer.status, await answer.json()];
    };
    expect(await ask(SECRET)).toEqual(await ask('not.valid'));
    expect(await kept()).not.toContain(SECRET);
  });

  it.each(['/admin/agents/sessions', '/admin/grants'])(
    'is not in the list of %s, as an unknown one',
    async (path) => {
      const look = async (instance: string) =>
        bodyOf(await broker.call(ROOT, 'GET', `${path}?agent=counter&instance=${instance}`));
      expect(await look(SECRET)).toEqual(await look('unknown'));
    },
  );
});
