import { forAll } from '@agent-ticket/shared/test/property.ts';
import { noteRefusal } from '@agent-ticket/shared/test/refused.ts';
import { type FuzzedRequest, requestsOf } from '@agent-ticket/shared/test/requests.ts';
import fc from 'fast-check';
import { expect, it, type TestContext } from 'vitest';
import { AGENTS } from '../../../agents.ts';
import { PERMISSIONS } from '../../src/credentials/permissions.ts';
import { OPENAPI } from '../../src/openapi/generated.ts';
import { rowsOf } from './folder.ts';
import { BROKER, basic, COUNTER, type StartedBroker, startNodeBroker } from './start-broker.ts';

/**
 * Every route of the OpenAPI document, with whatever a caller may send. Each answer is compared with the document, see
 * `checkedApp`.
 */

const requests = requestsOf(OPENAPI, {
  agent: AGENTS.map(({ slug }) => slug),
  instance: ['main', 'default'],
  resource: [COUNTER],
  grant_type: ['client_credentials'],
  scope: ['agent:connect'],
});

async function send({ app }: StartedBroker, request: FuzzedRequest, credential: object): Promise<Response> {
  const { method, path, headers, body } = request;
  return app.request(`${BROKER}${path}`, {
    method,
    headers: { ...headers, ...credential },
    ...(body !== undefined && { body }),
  });
}

/** What must hold of every answer, whoever asked. */
async function isAnswer(
  answer: Response,
  { method }: FuzzedRequest,
  task: TestContext['task'],
): Promise<void> {
  const text = await answer.text();
  if (answer.status >= 400) noteRefusal(task, String(answer.status));
  expect([answer.status, text].join(' ')).toMatch(/^[1234]/);
  expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  if (method === 'HEAD') expect(text).toBe('');
  for (const value of answer.headers.values()) expect(value).not.toContain('evil.example');
}

const faultsOf = ({ logged }: StartedBroker) =>
  logged.filter(({ event }) => event === 'bug' || event === 'outage');

async function rowCounts({ folder }: StartedBroker): Promise<Readonly<Record<string, unknown>>> {
  const counts: Record<string, unknown> = {};
  for (const file of ['control', 'record']) {
    const tables = await rowsOf(
      `${folder}/${file}.db`,
      "SELECT name FROM sqlite_master WHERE type = 'table'",
    );
    for (const { name } of tables) {
      const [row] = await rowsOf(`${folder}/${file}.db`, `SELECT count(*) AS n FROM "${name}"`);
      counts[`${file}.${name}`] = row?.n;
    }
  }
  return counts;
}

/** Headers of a credential that nobody has, of every kind, or none. */
const STRANGERS = [
  {},
  basic('svc_00000000000000000000AA', 'atk_none'),
  basic('', ''),
  { authorization: 'Bearer' },
  { authorization: 'Bearer eyJhbGciOiJub25lIn0.e30.' },
  { authorization: `Bearer atk_${'0'.repeat(22)}_${'0'.repeat(49)}` },
  { authorization: 'Basic %%%' },
  { authorization: 'Digest a="b"' },
  { 'cf-access-client-id': 'svc_x', 'cf-access-client-secret': 'atk_x' },
  { 'cf-access-jwt-assertion': 'eyJhbGciOiJSUzI1NiJ9.e30.AA' },
];

it('no request of a stranger is a fault or buys a row, whatever it says', async ({ task }) => {
  const broker = await startNodeBroker();
  // The first key is made by the first question for it.
  await broker.app.request(`${BROKER}/.well-known/jwks.json`);
  await broker.app.request(`${BROKER}/.well-known/audit-jwks.json`);
  const before = await rowCounts(broker);
  let count = 0;
  await forAll(fc.tuple(requests, fc.constantFrom(...STRANGERS)), async ([request, credential]) => {
    // Each from an address of its own, so that none is refused for what the others did.
    count += 1;
    broker.caller.address = `10.${count >> 16}.${(count >> 8) & 255}.${count & 255}`;
    const answer = await send(broker, request, credential);
    await isAnswer(answer, request, task);
  });
  const after = await rowCounts(broker);
  // A stranger's count lasts a minute, and a ticket for a public agent has its events: no route else writes.
  expect({ ...after, 'record.rate_windows': 0, 'record.audit_events': 0 }).toEqual({
    ...before,
    'record.rate_windows': 0,
    'record.audit_events': 0,
  });
  expect(broker.events.filter(({ agent }) => agent !== 'lobby')).toEqual([]);
  expect([faultsOf(broker), broker.fetched, broker.commands]).toEqual([[], [], []]);
});

it('no request of an operator is a fault, whatever it says', async ({ task }) => {
  const broker = await startNodeBroker();
  const token = await broker.makeServiceToken({ tier: 'admin', permissions: PERMISSIONS });
  const own = basic(token.clientId, token.clientSecret);
  await forAll(requests, async (request) => {
    await isAnswer(await send(broker, request, own), request, task);
  });
  expect(faultsOf(broker)).toEqual([]);
});

it('no request of a service without permissions is a fault or changes a policy', async ({ task }) => {
  const broker = await startNodeBroker();
  const token = await broker.makeServiceToken();
  const own = basic(token.clientId, token.clientSecret);
  await forAll(requests, async (request) => {
    broker.clock.now += 1;
    await isAnswer(await send(broker, request, own), request, task);
  });
  const changes = broker.events.filter(({ type }) => !/^(ticket|rate)\.|^admin\.read$/.test(type));
  expect([changes, faultsOf(broker), broker.commands]).toEqual([[], [], []]);
});
