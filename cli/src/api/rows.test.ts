import { ROUTES } from '@agent-ticket/broker/src/resources/routes.ts';
import { describe, expect, it } from 'vitest';
import { allOf } from '../command-tree.ts';
import { describeProgram } from '../run.ts';
import { type Operation, operationOf, requestOf } from './operation.ts';
import { fieldsOf, membersOf } from './row.ts';
import { API_ROWS } from './rows.ts';

const routeOf = ({ method, path }: Pick<Operation, 'method' | 'path'>) =>
  `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`;

/** A word that every reader of its field takes. */
const wordFor = (flag: string): string =>
  /seq/.test(flag)
    ? '7'
    : /duration|time/.test(flag)
      ? '1h'
      : /target/.test(flag)
        ? 'agent:chat'
        : /label/.test(flag)
          ? 'ann@example.com'
          : 'word';

describe.each(API_ROWS.map((row) => [row.words, row] as const))('%s', (_words, row) => {
  const operation = operationOf(row.call);
  const { places, options } = fieldsOf(row);
  const given = Object.fromEntries(
    options.map(({ flag }) => [
      (/[a-z][a-z-]*/.exec(flag)?.[0] ?? '').replace(/-([a-z])/g, (_all, letter: string) =>
        letter.toUpperCase(),
      ),
      wordFor(flag),
    ]),
  );

  it('sends each argument and option, and fills its path', () => {
    const words = places.map(({ flag }) => wordFor(flag));
    const { params, body = {} } = requestOf(operation, membersOf(row, words, given, { word: 'Bearer x' }));
    const inPath = operation.members.filter((each) => each.in === 'path');
    expect(Object.keys(params.path)).toEqual(inPath.map(({ name }) => name));
    const own = row.more?.length ?? 0;
    const sent = [params.path, params.query, body].flatMap((part) => Object.keys(part));
    expect(sent).toHaveLength(places.length + options.length - own);
  });

  it('has a description of each argument and option', () => {
    for (const { about } of [...places, ...options]) expect(about).toMatch(/^\S.{4,}/);
  });

  it('needs a reason where the route takes one', () => {
    const takes = operation.members.some(({ name }) => name === 'reason');
    const reason = options.find(({ member }) => member === 'reason');
    if (takes) expect(reason).toMatchObject({ isRequired: true });
  });
});

it.each(['.', '..'])('the name %s does not lead to another route', (name) => {
  const operation = operationOf('DELETE /admin/locks/{id}');
  expect(() => requestOf(operation, { id: name })).toThrow('are not names');
});

it('every route of the API that a machine asks is reached by a command', () => {
  const reached = new Set([
    ...API_ROWS.map(({ call }) => routeOf(operationOf(call))),
    // Commands that are more than one call: sessions end, audit export, doctor.
    'DELETE /admin/agents/sessions/:id',
    ...['GET /admin/agents/audit/export', 'GET /healthz', 'GET /readyz', 'GET /.well-known/jwks.json'],
    ...[
      'GET /.well-known/audit-jwks.json',
      'GET /.well-known/oauth-authorization-server',
      'GET /.well-known/security.txt',
      'GET /openapi.json',
    ],
    // An operator ends any session by "sessions end".
    'DELETE /sessions/:id',
    // Of apps that hold tickets, which are no word of a command; an operator has "locks create ticket:<jti>".
    ...['POST /tickets/batch', 'POST /revoke', 'POST /introspect'],
    // For Prometheus, and for transmitters of security events.
    ...['GET /metrics', 'POST /caep/events'],
    // For browsers, and for OAuth clients.
    ...[
      'GET /',
      'GET /console',
      'GET /console/:file',
      'POST /token',
      'GET /auth/login',
      'GET /auth/callback',
      'GET /auth/logout',
      'POST /auth/backchannel-logout',
    ],
  ]);
  expect(ROUTES.map(({ method, path }) => `${method} ${path}`).filter((each) => !reached.has(each))).toEqual(
    [],
  );
});

it('every command has an example of itself, and every group one of a command in it', () => {
  const commands = allOf(describeProgram()).filter(({ words }) => words !== '');
  expect(commands.length).toBeGreaterThan(40);
  expect(
    commands.filter(({ words, example }) => example?.startsWith(`agent-ticket ${words}`) !== true),
  ).toEqual([]);
});

it('the authorization of a receiver comes from the environment, and is no word of the command', () => {
  const row = API_ROWS.find(({ words }) => words === 'webhooks create');
  if (row === undefined) throw new Error('no such command');
  const given = { audience: 'a', authorizationFrom: 'PARTNER' };
  const members = (environment: Record<string, string>) =>
    membersOf(row, ['siem', 'https://siem.example.com'], given, environment);
  expect(members({ PARTNER: 'Bearer x' })).toMatchObject({ authorization: 'Bearer x' });
  expect(() => members({})).toThrow('The environment has no PARTNER');
  for (const name of ['toString', 'Bearer x']) {
    const of = () =>
      membersOf(row, ['siem', 'https://siem.example.com'], { authorizationFrom: name }, process.env);
    expect(of).toThrow(/environment/);
    expect(of).not.toThrow('Bearer x');
  }
});
