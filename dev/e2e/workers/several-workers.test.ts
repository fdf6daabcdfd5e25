import { randomUUID } from 'node:crypto';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { nextFrame, openSocket, watchToClose } from '../sockets.ts';
import { AUDIENCES, type Deployment, startDeployment } from './deployment.ts';

/** One broker with two agent workers, the second of which was added by files of the adopter alone. */

const PATIENCE_MS = 240_000;
let deployment: Deployment;
/** What `/readyz` said with one worker, after the broker alone was deployed with the new registry, and after all were. */
let ready: Awaited<ReturnType<Deployment['ready']>>[];

beforeAll(async () => {
  deployment = await startDeployment();
  const states: typeof ready = [];
  const look = async () => {
    await deployment.minute();
    states.push(await deployment.ready());
  };
  await look();
  await deployment.grow();
  await look();
  await deployment.deploy('main');
  await look();
  ready = states;
}, PATIENCE_MS);

afterAll(() => deployment?.close());

/** An open socket to an instance of an agent, recorded, so that commands find it. */
async function enter(agent: string, instance: string) {
  const { url } = await deployment.mint(agent, instance);
  const opened = openSocket(deployment.socketUrl(url));
  await nextFrame(opened.socket);
  return opened;
}

async function enterBoth() {
  const instance = randomUUID();
  const [counter, notes] = [await enter('counter', instance), await enter('notes', instance)];
  await eventually(async () =>
    expect(await deployment.openSessions()).toEqual([
      { agent_slug: 'counter', instance_id: instance, audience: AUDIENCES.main },
      { agent_slug: 'notes', instance_id: instance, audience: AUDIENCES.notes },
    ]),
  );
  return { counter, notes };
}

it('counts the workers whose agents differ from the registry, and tells their names to the log alone', () => {
  expect(ready.map((each) => [each.workers_differing, each.workers_unanswered])).toEqual([
    [0, 0],
    [1, 0],
    [0, 0],
  ]);
  expect(ready.some(({ text }) => text.includes('main') || text.includes('notes'))).toBe(false);
  const named = deployment.lines.filter((line) => line.includes('registry_differs'));
  expect(named.map((line) => JSON.parse(line))).toEqual([{ event: 'registry_differs', worker: 'default' }]);
});

it('lists each agent with the address of its worker, and makes tickets for that', async () => {
  const { main, notes } = deployment.urls;
  expect(await deployment.listAgents()).toMatchObject({
    items: [
      { agent: 'counter', url: `${main}/agents/counter` },
      { agent: 'notes', url: `${notes}/agents/notes` },
    ],
  });
  for (const [agent, audience, host] of [
    ['counter', AUDIENCES.main, main],
    ['notes', AUDIENCES.notes, notes],
  ] as const) {
    const { ticket, url } = await deployment.mint(agent, 'one');
    expect(decodeJwt(ticket).aud).toBe(audience);
    expect(new URL(url).host).toBe(new URL(host).host);
  }
});

it('admits no ticket of another worker, though one key signs for both', async () => {
  const { ticket } = await deployment.mint('notes', 'one');
  const main = deployment.urls.main.replace('http', 'ws');
  const elsewhere = await watchToClose(`${main}/agents/notes/one?ticket=${ticket}`);
  expect(elsewhere).toMatchObject({ frames: [], code: 4004, reason: 'not_found' });

  const claims = { ...decodeJwt(ticket), agent: 'counter' };
  const at = async (aud: string) =>
    openSocket(`${main}/agents/counter/one?ticket=${await deployment.sign({ ...claims, aud })}`);
  expect(await (await at(AUDIENCES.notes)).closed).toMatchObject({ frames: [], code: 4001 });
  // The audience is all that was wrong.
  const right = await at(AUDIENCES.main);
  await nextFrame(right.socket);
  right.socket.close();
  await eventually(async () => expect(await deployment.openSessions()).toEqual([]));
});

it('closes the sockets of a principal at both workers, and says so in one receipt', async () => {
  const { counter, notes } = await enterBoth();
  const target = { kind: 'principal', id: `token:${deployment.secrets.serviceToken.id}` };
  const { status, id, receipt } = await deployment.lock(target);
  expect([status, receipt]).toMatchObject([201, { closed: 2, objects: 2, unreachable: 0, pending: 0 }]);
  for (const { closed } of [counter, notes]) expect(await closed).toMatchObject({ code: 4003 });
  expect((await deployment.lift(id)).status).toBe(200);
});

it('with one worker away closes those of the other at once, and its own when it is back', async () => {
  const { counter, notes } = await enterBoth();
  deployment.road.isOpen = false;
  const target = { kind: 'principal', id: `token:${deployment.secrets.serviceToken.id}` };
  const { status, id, receipt } = await deployment.lock(target);
  expect([status, receipt]).toMatchObject([202, { closed: 1, pending: 1 }]);
  expect(await counter.closed).toMatchObject({ code: 4003 });
  expect(await deployment.delivered()).toEqual([[AUDIENCES.main]]);
  expect(notes.socket.readyState).toBe(WebSocket.OPEN);

  // What concerns the worker that is there is done as ever.
  const other = await deployment.lock({ kind: 'agent', agent: 'counter' });
  expect(other.status).toBe(201);

  deployment.road.isOpen = true;
  await deployment.minute();
  expect(await notes.closed).toMatchObject({ code: 4003 });
  expect(await deployment.delivered()).toEqual([]);
  for (const lock of [id, other.id]) expect((await deployment.lift(lock)).status).toBe(200);
});
