import { env } from 'cloudflare:workers';
import { beforeEach, describe, expect, test } from 'vitest';
import { gate } from './gate.ts';
import { objectIds } from './objects.ts';
import { ask, connect, HOST, refusedSocket, upgrade, worker } from './sockets.ts';
import { makeTicket, newInstance, ORIGIN, rights } from './tickets.ts';

/** Names and paths with a second spelling, sub-agents, and where requests come from. */

let objects: string[];
beforeEach(async () => {
  objects = await objectIds();
});

describe('an instance name', () => {
  const REFUSED: [what: string, path: string, close: number, status: number][] = [
    ['none', '/agents/counter', 4000, 400],
    ['empty', '/agents/counter/', 4000, 400],
    ['empty before a longer path', '/agents/counter//room-1', 4000, 400],
    ['a letter in escapes', '/agents/counter/%41', 4000, 400],
    ['partly in escapes', '/agents/counter/%72oom-1', 4000, 400],
    ['a slash in escapes', '/agents/counter/a%2fb', 4000, 400],
    ['a backslash in escapes', '/agents/counter/a%5cb', 4000, 400],
    ['a NUL in escapes', '/agents/counter/room-1%00', 4000, 400],
    ['a space', '/agents/counter/room 1', 4000, 400],
    ['a trailing dot', '/agents/counter/room-1.', 4000, 400],
    ['path parameters', '/agents/counter/room-1;x=1', 4000, 400],
    ['not ASCII', '/agents/counter/r%C3%B6om', 4000, 400],
    ['full-width letters', '/agents/counter/ｒoom', 4000, 400],
    ['a name of every object', '/agents/counter/%5f_proto__', 4000, 400],
    ['129 characters', `/agents/counter/${'a'.repeat(129)}`, 4000, 400],
    ['two dots, which the URL resolves', '/agents/counter/..', 4004, 404],
    ['two dots in escapes', '/agents/counter/%2e%2e', 4004, 404],
    ['the marker of sub-agents', '/agents/counter/sub', 4004, 404],
    ['the marker of sub-agents before a class', '/agents/counter/sub/counter/x', 4004, 404],
    ['one that a listing agent does not list', '/agents/lobby/other', 4004, 404],
    ['the listed one in capitals', '/agents/lobby/MAIN', 4004, 404],
  ];

  test.for(REFUSED)('that is %s is refused: %s', async ([, path, code, status]) => {
    const ticket = await makeTicket({ instance: 'room-1' });
    expect(await refusedSocket(await upgrade(path, { ticket }))).toMatchObject({ code, frames: [] });
    expect((await ask(path, { ticket })).status).toBe(status);
    expect(await objectIds()).toEqual(objects);
  });

  test('of 128 characters, of one, and of every allowed character is an object', async () => {
    for (const instance of ['a'.repeat(128), 'Z', '-', '_', '0', 'AZaz09_-', 'Sub', 'SUB']) {
      const socket = await connect(`/agents/counter/${instance}`, { ticket: await makeTicket({ instance }) });
      expect(await socket.frame('cf_agent_identity')).toMatchObject({ name: instance, agent: 'counter' });
    }
  });

  test('in other letters is another object', async () => {
    const instance = newInstance();
    const upper = instance.toUpperCase();
    await (await connect(`/agents/counter/${instance}`, { ticket: await makeTicket({ instance }) })).frame(
      'cf_agent_state',
    );
    const made = await objectIds();
    const twin = await refusedSocket(
      await upgrade(`/agents/counter/${upper}`, { ticket: await makeTicket({ instance }) }),
    );
    expect(twin).toMatchObject({ code: 4003, reason: 'forbidden' });
    expect(await objectIds()).toEqual(made);
    expect(made).toContain(String(env.COUNTER.idFromName(instance)));
  });
});

describe('a path below an instance', () => {
  test.for([
    '/sub/counter/x',
    '/sub/counter/x/',
    '//sub//counter//x',
    '/deeper/sub/counter/x',
    '/%73ub/counter/x',
    '/s%75b/counter/x',
    '/SUB/counter/x',
    '/sub',
    '/x/..//sub/counter/x',
    '\\sub\\counter\\x',
    '/sub/lobby/main',
    '/%2e/sub/lobby/main',
  ])('%s reaches no sub-agent', async (rest) => {
    const instance = newInstance();
    const ticket = await makeTicket({ instance, ...rights('counter', 'owner') });
    const path = `/agents/counter/${instance}${rest}`;
    expect(await refusedSocket(await upgrade(path, { ticket }))).toMatchObject({
      code: 4004,
      reason: 'not_found',
      frames: [],
    });
    const answer = await ask(path, { ticket });
    expect(answer.status).toBe(404);
    expect(await answer.json()).toMatchObject({ error: { code: 'NOT_FOUND' } });
    expect(await objectIds()).toEqual(objects);
  });

  test('is the agent’s own otherwise', async () => {
    const instance = newInstance();
    const socket = await connect(`/agents/counter/${instance}/any/thing`, {
      ticket: await makeTicket({ instance }),
    });
    await socket.frame('cf_agent_identity');
  });
});

describe('an origin', () => {
  const FOREIGN = [
    'https://evil.test',
    'null',
    'https://app.test.evil.test',
    'https://evilapp.test',
    'http://app.test',
    'https://app.test:8443',
    'https://APP.test',
    'https://app.test/',
  ];

  test.for(FOREIGN)('of "%s" is refused everywhere, and not reflected', async (origin) => {
    const ticket = await makeTicket({ instance: 'room-1' });
    expect(
      await refusedSocket(await upgrade('/agents/counter/room-1', { ticket, headers: { origin } })),
    ).toMatchObject({
      code: 4003,
      reason: 'forbidden',
      frames: [],
    });
    for (const method of ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const answer = await ask('/agents/counter/room-1', { method, ticket, headers: { origin } });
      expect(answer.status).toBe(403);
      expect(answer.headers.get('access-control-allow-origin')).toBeNull();
    }
    expect(await objectIds()).toEqual(objects);
  });

  test('of the worker itself, which serves pages beside its agents, may connect', async () => {
    const instance = newInstance();
    const ticket = await makeTicket({ instance });
    const socket = await connect(`/agents/counter/${instance}`, { ticket, headers: { origin: HOST } });
    await socket.frame('cf_agent_identity');
    for (const near of [HOST.replace('8788', '8789'), HOST.replace('http:', 'https:'), `${HOST}.evil.test`]) {
      const refused = await ask(`/agents/counter/${instance}`, { ticket, headers: { origin: near } });
      expect([near, refused.status]).toEqual([near, 403]);
    }
  });

  test('without a name is refused as well', async () => {
    expect(
      await refusedSocket(await upgrade('/agents/counter/room-1', { headers: { origin: '' }, front: gate })),
    ).toMatchObject({
      code: 4003,
    });
  });

  test('on the list may connect, ask and read refusals', async () => {
    const instance = newInstance();
    const headers = { origin: ORIGIN };
    const ticket = await makeTicket({ instance });
    await (await connect(`/agents/counter/${instance}`, { ticket, headers })).frame('cf_agent_identity');
    const refused = await ask('/agents/counter/room-1', { headers });
    expect(refused.status).toBe(401);
    expect(refused.headers.get('access-control-allow-origin')).toBe(ORIGIN);
    expect(refused.headers.get('vary')).toBe('Origin');
    expect(refused.headers.get('access-control-allow-credentials')).toBeNull();
  });

  test('is not needed: who names none is no browser', async () => {
    const instance = newInstance();
    await (await connect(`/agents/counter/${instance}`, { ticket: await makeTicket({ instance }) })).frame(
      'cf_agent_identity',
    );
  });

  test('on the list gets its preflight from the gate, without a ticket and without an object', async () => {
    const answer = await ask(`/agents/counter/${newInstance()}`, {
      method: 'OPTIONS',
      headers: { origin: ORIGIN },
    });
    expect(answer.status).toBe(204);
    expect(Object.fromEntries(answer.headers)).toMatchObject({
      'access-control-allow-origin': ORIGIN,
      'access-control-allow-methods': 'GET, HEAD, POST, PUT, PATCH, DELETE',
      'access-control-allow-headers': 'authorization, *',
      'access-control-max-age': '600',
      vary: 'Origin',
    });
    expect((await ask('/agents/unknown/x', { method: 'OPTIONS', headers: { origin: ORIGIN } })).status).toBe(
      404,
    );
    expect(await objectIds()).toEqual(objects);
  });

  test('on the list may read what MCP needs, at agents with that transport', async () => {
    const headers = { origin: ORIGIN };
    const refused = await ask(`/agents/mcp-agent/${newInstance()}/mcp`, { headers });
    expect(refused.headers.get('access-control-expose-headers')?.split(', ')).toContain('mcp-session-id');
    const other = await ask(`/agents/counter/${newInstance()}`, { headers });
    expect(other.headers.get('access-control-expose-headers')).toBe('retry-after, x-request-id');
  });

  test('does not matter to other paths of the worker', async () => {
    expect(
      (await worker(new Request('http://127.0.0.1:8788/x', { headers: { origin: 'https://evil.test' } })))
        .status,
    ).toBe(404);
  });
});
