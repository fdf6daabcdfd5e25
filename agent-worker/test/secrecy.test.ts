import { listDurableObjectIds, runInDurableObject } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, test } from 'vitest';
import { gate } from './gate.ts';
import { sweep, witness } from './objects.ts';
import { ask, carry, connect, HOST, refusedSocket, upgrade } from './sockets.ts';
import { makeTicket, newInstance, signedTickets, unknownSigner } from './tickets.ts';
import { printed } from './watch.ts';

/** Tickets on every path, good and bad, and then a look everywhere. */

const SCOPE = 'agent:connect agent:state:read agent:message agent:rpc:*';
const CREDENTIALS = {
  cookie: 'appSession=COOKIE-canary-0123456789abcdef',
  'cf-access-jwt-assertion': 'eyJhbGciOiJub25lIn0.ASSERTION-canary-0123456789.AAAA',
  'cf-access-client-id': 'CLIENTID-canary-0123456789',
  'cf-access-client-secret': 'CLIENTSECRET-canary-0123456789',
};
const canaries = () => [
  ...Object.values(CREDENTIALS),
  ...signedTickets().flatMap((ticket) => [ticket, ticket.slice(ticket.lastIndexOf('.') + 1)]),
];
const found = (text: string) =>
  canaries()
    .filter((canary) => text.includes(canary))
    .map((one) => one.slice(0, 12));

/** Every row of every table of every witness object. */
async function objectRows(): Promise<string> {
  const ids = await listDurableObjectIds(env.WITNESS);
  const rows = await Promise.all(
    ids.map((id) =>
      runInDurableObject(env.WITNESS.get(id), async (_, state) => {
        const tables = state.storage.sql
          .exec<{ name: string }>(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*'",
          )
          .toArray();
        const values = [...(await state.storage.list())];
        return [
          values,
          tables.map(({ name }) => state.storage.sql.exec(`SELECT * FROM "${name}"`).toArray()),
        ];
      }),
    ),
  );
  return JSON.stringify(rows);
}

async function recordRows(): Promise<string> {
  const tables = ['audit_events', 'agent_sessions', 'agent_invocations', 'revocation_copies'];
  const answers = await env.RECORD.batch(tables.map((name) => env.RECORD.prepare(`SELECT * FROM ${name}`)));
  return JSON.stringify(answers.map(({ results }) => results));
}

test('no ticket and no credential is in a log, a row, an object, an answer or a URL that an agent sees', async () => {
  const instance = newInstance();
  const path = `/agents/witness/${instance}`;
  const ticket = (claims: object = {}, by = {}) =>
    makeTicket({ agent: 'witness', instance, scope: SCOPE, ...claims }, by);
  const answers: string[] = [];
  const seen: string[] = [];

  for (const delivery of ['query', 'subprotocol', 'authorization'] as const) {
    const used = await ticket();
    const socket = await connect(path, { ticket: used, delivery, front: gate, headers: CREDENTIALS });
    seen.push(JSON.stringify(await socket.frame('seen')));
    socket.send({ type: 'ticket.renew', ticket: await ticket() });
    await socket.frame('ticket.renewed');
    const bad = [used, await ticket({ aud: 'x' }), await ticket({}, { by: unknownSigner }), 'eyJ.not.one'];
    for (const text of bad) {
      const before = socket.frames.length;
      socket.send({ type: 'ticket.renew', ticket: text });
      answers.push(JSON.stringify(await socket.next(before, ({ type }) => type === 'ticket.refused')));
    }
    answers.push(
      JSON.stringify(await socket.call('fail')),
      JSON.stringify(await socket.call(await ticket())),
    );
    answers.push(JSON.stringify(socket.frames));
    answers.push(
      JSON.stringify(await refusedSocket(await upgrade(path, { ticket: used, delivery, front: gate }))),
    );
    for (const claims of [{ aud: 'x' }, { exp: 1 }, { instance: 'other' }, { agent: 'counter' }])
      answers.push(
        JSON.stringify(
          await refusedSocket(await upgrade(path, { ticket: await ticket(claims), delivery, front: gate })),
        ),
      );
  }

  const plain = await ticket();
  const both = carry(plain, 'query').query;
  for (const request of [
    () => ask(path, { ticket: plain, front: gate, headers: CREDENTIALS }),
    () => ask(`${path}/throw`, { ticket: plain, front: gate }),
    () => ask(`${path}/sub${both}`, { ticket: plain, front: gate }),
    () => ask(`${path}${both}`, { front: gate }),
    () => ask(`/agents/${plain}/${plain}`, { front: gate }),
    () => ask(`/agents/witness/${plain}`, { ticket: plain, front: gate }),
    () =>
      ask(`/agents/witness/${instance}`, {
        ticket: plain,
        front: gate,
        method: 'POST',
        body: plain.slice(0, 10),
      }),
    () =>
      gate(
        new Request(`${HOST}${path}${both}`, {
          headers: { upgrade: 'websocket', authorization: `Bearer ${plain}`, accept: 'application/json' },
        }),
      ),
    () => ask(path, { ticket: plain, front: gate, headers: { 'user-agent': plain } }),
    () => ask(path, { ticket: plain, front: gate, headers: { 'user-agent': `mine ${plain}` } }),
  ]) {
    const answer = await request();
    const text = await answer.text();
    // What the witness echoes of its own request is what an agent sees; a user agent is the caller's to choose.
    const echoed = text.replaceAll(/"user-agent":"[^"]*"/g, '');
    (answer.status === 200 ? seen : answers).push(echoed, JSON.stringify([...answer.headers]));
  }
  const stream = await ask(`${path}/stream/short`, {
    ticket: await ticket({ transport: 'http' }),
    front: gate,
  });
  answers.push(await stream.text());

  await sweep(witness(instance));
  await eventually(async () => expect(await recordRows()).toContain(instance));
  expect(seen.length).toBeGreaterThan(4);
  expect(canaries().length).toBeGreaterThan(50);
  expect({
    answers: found(answers.join('\n')),
    seen: found(seen.join('\n')),
    objects: found(await objectRows()),
    record: found(await recordRows()),
    log: found(printed.join('\n')),
  }).toEqual({ answers: [], seen: [], objects: [], record: [], log: [] });
});
