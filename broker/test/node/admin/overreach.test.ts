import { SESSION_SECONDS } from '@agent-ticket/shared/limits.ts';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import * as z from 'zod';
import { PERMISSIONS } from '../../../src/credentials/permissions.ts';
import { ROUTES } from '../../../src/resources/routes.ts';
import { flushOutbox } from '../../../src/revocation/outbox.ts';
import { bodyOf } from '../answers.ts';
import {
  CLEAN,
  idOf,
  type OperatorBroker,
  type Person,
  ROOT,
  startOperatorBroker,
} from './operator-broker.ts';

/** What callers tried to take that is not theirs, and rules that a spelling or a way around would have evaded. */

let broker: OperatorBroker;
beforeAll(async () => {
  broker = await startOperatorBroker();
});

interface Token {
  readonly id: string;
  readonly basic: { readonly authorization: string };
}

async function makeToken(wish: object = {}): Promise<Token> {
  const made = await broker.call(ROOT, 'POST', '/admin/service-tokens', { name: 'machine', ...wish });
  expect(made.status).toBe(201);
  const { id, client_id, client_secret } = z
    .object({ id: z.string(), client_id: z.string(), client_secret: z.string() })
    .parse(await made.json());
  return {
    id,
    basic: { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` },
  };
}

const grant = (subject: string, agent: string, instance: string, role: string) =>
  broker.call(ROOT, 'POST', '/admin/grants', { subject, agent, instance, role, reason: 'test' });
const lock = (target: object) => broker.call(ROOT, 'POST', '/admin/locks', { target, reason: 'test' });

/** May manage service tokens, has no tier that ROOT's tokens lack, and no grants. */
const CLERK: Person = { sub: 'clerk', permissions: ['service-tokens:write'] };

describe('a secret is no way to a role', () => {
  it.each(['rotate', 'revoke', 'end the replaced secret'] as const)(
    '%s of a token with grants is for who may give grants',
    async (way) => {
      const token = await makeToken();
      await grant(`token:${token.id}`, 'counter', '*', 'owner');
      const ask = (who: Person) =>
        way === 'rotate'
          ? broker.call(who, 'POST', `/admin/service-tokens/${token.id}/rotate`, {})
          : broker.call(
              who,
              'DELETE',
              `/admin/service-tokens/${token.id}${way === 'revoke' ? '' : '/replaced-secret'}`,
            );
      expect((await ask(CLERK)).status).toBe(403);
      expect((await ask(ROOT)).status).toBe(200);
    },
  );

  it('a token above the caller cannot be revoked either', async () => {
    const token = await makeToken({ permissions: ['keys:rotate'] });
    expect((await broker.call(CLERK, 'DELETE', `/admin/service-tokens/${token.id}`)).status).toBe(403);
  });

  it('a token makes none that outlives it', async () => {
    const maker = await makeToken({ permissions: ['service-tokens:write'], expires_in: 600 });
    const made = await broker.call(maker.basic, 'POST', '/admin/service-tokens', { name: 'child' });
    const { expires_at } = await bodyOf(made);
    expect(Date.parse(z.string().parse(expires_at)) / 1000).toBe(broker.clock.now + 600);
  });
});

describe('a revoked service token', () => {
  const revoke = ({ id }: Token) => broker.call(ROOT, 'DELETE', `/admin/service-tokens/${id}`);
  /** Why what it got until its end opens nothing any more: by the one name that it has as subject and as client. */
  const whyRevoked = ({ id }: Token) =>
    broker.whyRevoked({ names: [`service-token:${id}`], rev: Number.MAX_SAFE_INTEGER });
  const commandOf = ({ id }: Token) => ({
    op: 'revoke',
    revocation: { target: `service-token:${id}`, kind: 'any', code: 'session_terminated' },
  });

  it('has its sockets closed, and those that its last tickets open', async () => {
    const token = await makeToken();
    const revoked = await revoke(token);
    expect(revoked.status).toBe(200);
    expect(await bodyOf(revoked)).toHaveProperty('receipt', CLEAN);
    expect(await broker.lastCommand()).toMatchObject(commandOf(token));
    expect(await whyRevoked(token)).toBe('session_terminated');
    expect(await whyRevoked(await makeToken())).toBeUndefined();
  });

  it('has them closed however long the worker was away', async () => {
    const token = await makeToken();
    const { answer } = broker.worker;
    broker.worker.answer = async () => Promise.reject(new Error('network'));
    expect((await revoke(token)).status).toBe(202);
    broker.worker.answer = answer;
    const { now } = broker.clock;
    broker.clock.now += SESSION_SECONDS;
    await flushOutbox(broker.ports);
    const command = await broker.lastCommand();
    expect(command).toMatchObject(commandOf(token));
    // A session of before may still be open then.
    expect(await whyRevoked(token)).toBe('session_terminated');
    broker.clock.now = now;
  });

  it('leaves the command behind that closes them when the request is cut off', async () => {
    const token = await makeToken();
    const { control } = broker.ports;
    const { change } = control;
    vi.spyOn(control, 'change').mockImplementationOnce(async (wanted) => {
      await change(wanted);
      throw new Error('Network connection lost.');
    });
    expect((await revoke(token)).status).toBe(503);
    expect((await revoke(token)).status).toBe(404);
    expect(await broker.changesWaiting()).toBe(1);
    broker.clock.now += 60;
    await flushOutbox(broker.ports);
    expect(await broker.lastCommand()).toMatchObject(commandOf(token));
    broker.clock.now -= 60;
    expect(await whyRevoked(token)).toBe('session_terminated');
  });
});

describe('a locked caller', () => {
  it('gets its own view of itself and nothing else, whatever its permissions', async () => {
    const person: Person = { sub: 'locked-reader', permissions: PERMISSIONS };
    const { id } = await bodyOf(await lock({ kind: 'principal', id: idOf(person) }));
    // Those of OAuth and of batches have a test of their own.
    const required = ROUTES.filter(({ auth, readsCredential }) => auth === 'required' && !readsCredential);
    const statuses = new Map<string, number>();
    for (const { method, path } of required) {
      await broker.ports.record.rates.purge(Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
      const body = method === 'POST' ? {} : undefined;
      const answer = await broker.call(person, method, path.replaceAll(/:\w+/g, 'x'), body);
      statuses.set(`${method} ${path}`, answer.status);
    }
    expect(statuses.get('GET /me')).toBe(200);
    statuses.delete('GET /me');
    expect(new Set(statuses.values())).toEqual(new Set([403]));
    expect((await broker.call(ROOT, 'DELETE', `/admin/locks/${id}`)).status).toBe(200);
    expect((await broker.call(person, 'GET', '/admin/agents/audit/export')).status).toBe(200);
  });

  it('is never the caller itself, so that the last operator is not locked out', async () => {
    const person: Person = { sub: 'only-operator', permissions: ['locks:write'] };
    const own = { target: { kind: 'principal', id: idOf(person) }, reason: 'test' };
    expect((await broker.call(person, 'POST', '/admin/locks', own)).status).toBe(400);
    const token = await makeToken({ permissions: ['locks:write'] });
    for (const target of [
      { kind: 'service-token', id: token.id },
      { kind: 'principal', id: `token:${token.id}` },
    ]) {
      const answer = await broker.call(token.basic, 'POST', '/admin/locks', { target, reason: 'test' });
      expect(answer.status).toBe(400);
    }
    const other = { target: { kind: 'principal', id: idOf({ sub: 'other' }) }, reason: 'test' };
    expect((await broker.call(person, 'POST', '/admin/locks', other)).status).toBe(201);
  });

  it('changes nothing, its own lock least of all', async () => {
    const person: Person = {
      sub: 'suspect',
      permissions: ['locks:read', 'locks:write', 'service-tokens:write'],
    };
    const { id } = await bodyOf(await lock({ kind: 'principal', id: idOf(person) }));
    expect((await broker.call(person, 'DELETE', `/admin/locks/${id}`)).status).toBe(403);
    expect((await broker.call(person, 'POST', '/admin/service-tokens', { name: 'escape' })).status).toBe(403);
    expect((await broker.call(ROOT, 'DELETE', `/admin/locks/${id}`)).status).toBe(200);
    expect((await broker.call(person, 'POST', '/admin/service-tokens', { name: 'free' })).status).toBe(201);
  });

  it('is a session however its id is spelled', async () => {
    const id = crypto.randomUUID();
    await lock({ kind: 'session', id: id.toUpperCase() });
    expect(await broker.whyRevoked({ names: [`session:${id}`], rev: 0 })).toBe('locked');
  });
});

describe('an instance is not destroyed', () => {
  const owner: Person = { sub: 'owner' };

  it('while it is locked: it may be evidence', async () => {
    await grant(idOf(owner), 'counter', 'kept', 'owner');
    await lock({ kind: 'instance', agent: 'counter', instance: 'kept' });
    expect((await broker.call(owner, 'DELETE', '/api/agents/counter/kept')).status).toBe(403);
  });

  it('by an operator while it is locked', async () => {
    await lock({ kind: 'instance', agent: 'counter', instance: 'kept' });
    expect((await broker.call(ROOT, 'DELETE', '/api/agents/counter/kept')).status).toBe(403);
  });

  it.each([[[]], [['instances:delete']]])(
    'by a credential that is limited to other agents, with the permissions %j',
    async (permissions) => {
      const token = await makeToken({ agents: ['lobby'], permissions });
      await grant(`token:${token.id}`, 'counter', 'far', 'owner');
      expect((await broker.call(token.basic, 'DELETE', '/api/agents/counter/far')).status).toBe(404);
    },
  );
});

describe('a cursor that is none', () => {
  it.each(['A', '-', 'AAAAA', 'e30', 'bnVsbA', '!', ''])(
    '%j is a bad request on every list',
    async (cursor) => {
      for (const path of [
        '/sessions',
        '/admin/service-tokens',
        '/admin/grants',
        '/admin/locks',
        '/admin/agents/sessions',
        '/admin/agents/audit',
      ]) {
        const answer = await broker.call(ROOT, 'GET', `${path}?cursor=${cursor}`);
        expect([path, answer.status]).toEqual([path, 400]);
      }
    },
  );
});

describe('a lock', () => {
  it('on the signing key keeps it from signing another ticket, and explain says so', async () => {
    const apart = await startOperatorBroker();
    const keys = await bodyOf(await apart.call(ROOT, 'GET', '/admin/keys'));
    const [{ kid }] = z.tuple([z.object({ kid: z.string() })]).parse(keys.items);
    await apart.call(ROOT, 'POST', '/admin/locks', { target: { kind: 'key', kid }, reason: 'leaked' });
    expect(await apart.mint({ sub: 'anyone' }, 'counter', 'main')).toBe(403);
    const explained = await bodyOf(
      await apart.call({ sub: 'anyone' }, 'POST', '/explain', { agent: 'counter' }),
    );
    expect(explained).toMatchObject({ allowed: false });
  });
});

describe('a list of grants', () => {
  it('finds an address however it is spelled', async () => {
    await grant('email:Carol@Example.test', 'hidden', 'spelled', 'viewer');
    const found = await broker.call(ROOT, 'GET', '/admin/grants?subject=email:CAROL@example.test');
    expect((await bodyOf(found)).items).toHaveLength(1);
  });
});
