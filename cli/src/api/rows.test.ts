import { ROUTES } from '@agent-ticket/broker/src/resources/routes.ts';
import { describe, expect, it } from 'vitest';
import { allOf } from '../command-tree.ts';
import { describeProgram } from '../run.ts';
import { API_ROWS } from './rows.ts';
import { requestOf } from './run-row.ts';

const NOW = 1_700_000_000_000;
const routeOf = (method: string, path: string) =>
  ROUTES.find((each) => each.method === method && each.path === path);

/** A word that every reader of its field takes. */
const wordFor = (flag: string): string =>
  /duration|time/.test(flag)
    ? '1h'
    : /target/.test(flag)
      ? 'agent:chat'
      : /label/.test(flag)
        ? 'ann@example.com'
        : 'word';

describe.each(API_ROWS.map((row) => [row.words, row] as const))('%s', (_words, row) => {
  const route = routeOf(row.method, row.path);

  it('is a route of the broker', () => {
    expect(route).toBeDefined();
  });

  it('fills its path, and sends in the query only what the route knows', () => {
    const words = (row.places ?? []).map(({ flag }) => wordFor(flag));
    const options = (row.options ?? []).map(({ flag }) => [
      (/[a-z][a-z-]*/.exec(flag)?.[0] ?? '').replace(/-([a-z])/g, (_all, letter: string) =>
        letter.toUpperCase(),
      ),
      wordFor(flag),
    ]);
    const { path, query = {} } = requestOf(row, words, Object.fromEntries(options), NOW);
    expect(path).not.toContain(':');
    const known = route !== undefined && 'shape' in route.query ? Object.keys(route.query.shape) : [];
    const pages = row.columns !== undefined && row.whole !== true ? ['limit', 'cursor'] : [];
    expect([...Object.keys(query), ...pages].filter((name) => !known.includes(name))).toEqual([]);
  });

  it('needs a reason where the route takes one in its query', () => {
    const takes = route !== undefined && 'shape' in route.query && 'reason' in route.query.shape;
    const reason = (row.options ?? []).find(({ flag }) => flag.startsWith('--reason'));
    if (takes) expect(reason).toMatchObject({ required: true });
  });
});

it('every route of the API that a machine asks is reached by a command', () => {
  const reached = new Set([
    ...API_ROWS.map(({ method, path }) => `${method} ${path}`),
    // Commands that are more than one call: explain, sessions end, audit export, doctor.
    ...['POST /explain', 'POST /admin/agents/sessions/terminate', 'DELETE /admin/agents/sessions/:id'],
    ...['GET /admin/agents/audit/export', 'GET /healthz', 'GET /readyz', 'GET /.well-known/jwks.json'],
    ...[
      'GET /.well-known/audit-jwks.json',
      'GET /.well-known/oauth-authorization-server',
      'GET /openapi.json',
    ],
    // An operator ends any session by "sessions end".
    'DELETE /sessions/:id',
    // Of apps that hold tickets, which are no word of a command; an operator has "locks create ticket:<jti>".
    ...['POST /tickets/batch', 'POST /revoke', 'POST /introspect'],
    // For browsers, and for OAuth clients.
    ...[
      'GET /',
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

it('every command has an example of itself', () => {
  const leaves = allOf(describeProgram()).filter(({ children }) => children.length === 0);
  expect(leaves.length).toBeGreaterThan(30);
  expect(
    leaves.filter(({ words, example }) => example?.startsWith(`agent-ticket ${words}`) !== true),
  ).toEqual([]);
});
