import { PING, PONG } from '@agent-ticket/shared/heartbeat.ts';
import { expect, test, vi } from 'vitest';
import { advance, SECOND } from '../test/fake-backend.ts';
import { FakeSocket } from '../test/fake-socket.ts';
import { expectMintLimit, fakeTime, open, untilOpen } from '../test/stock-client.ts';
import { describeClose } from './closes.ts';
import { attachHeartbeat } from './heartbeat.ts';

fakeTime();

/** A socket that answers each ping, until it is dead. */
function answeringSocket() {
  const socket = new FakeSocket('wss://agents.example.com/agents/counter/x');
  const state = { isDead: false };
  const send = socket.send.bind(socket);
  socket.send = (frame) => {
    send(frame);
    if (frame === PING && !state.isDead) setTimeout(() => socket.receive(JSON.parse(PONG)), 30);
  };
  socket.open();
  return { socket, state };
}

test('a connection that answers stays open, with one ping in each interval', async () => {
  const { socket } = answeringSocket();
  attachHeartbeat(socket, { seconds: 10 });
  await advance(60 * SECOND);
  expect(socket.sent).toEqual(Array(6).fill(PING));
  expect(socket.readyState).toBe(1);
});

test('a ping without an answer before the next one closes a plain WebSocket, with one close event at once', async () => {
  const { socket, state } = answeringSocket();
  const ends: string[] = [];
  const stop = attachHeartbeat(socket, { seconds: 10 });
  socket.addEventListener('close', (event) => {
    stop();
    ends.push(describeClose(Object(event)).reason);
  });
  await advance(15 * SECOND);
  state.isDead = true;
  await advance(14 * SECOND);
  expect([socket.readyState, ends]).toEqual([1, []]);
  await advance(SECOND);
  expect([socket.readyState, ends]).toEqual([2, ['connection_lost']]);
  await advance(60 * SECOND);
  expect([ends, vi.getTimerCount()]).toEqual([['connection_lost'], 0]);
});

test('any frame counts as an answer', async () => {
  const { socket, state } = answeringSocket();
  attachHeartbeat(socket, { seconds: 10 });
  state.isDead = true;
  for (let turn = 0; turn < 10; turn += 1) {
    await advance(10 * SECOND);
    socket.receive({ type: 'cf_agent_state', state: {} });
  }
  expect(socket.readyState).toBe(1);
});

test('a stock client with a dead connection reconnects with another ticket, and the heartbeat continues', async () => {
  const fixture = await open();
  const { backend, client } = fixture;
  const closes: { code: number; reason: string }[] = [];
  client.addEventListener('close', ({ code, reason }) => closes.push({ code, reason }));
  attachHeartbeat(client);
  await advance(60 * SECOND);
  expect(await untilOpen(fixture)).toBeLessThanOrEqual(5 * SECOND);
  expect(backend.sockets.map(({ readyState }) => readyState)).toEqual([3, 1]);
  expect(closes.map(describeClose)).toMatchObject([{ reason: 'connection_lost' }]);
  expect(backend.mints).toHaveLength(2);
  await advance(70 * SECOND);
  expect(backend.sockets).toHaveLength(3);
  await advance(600 * SECOND);
  expectMintLimit(backend);
});

test('no ping is sent without a connection, after a stop, or after the client closed', async () => {
  const { socket } = answeringSocket();
  const stop = attachHeartbeat(socket, { seconds: 10 });
  socket.end(1006, '');
  await advance(60 * SECOND);
  expect([socket.sent, vi.getTimerCount()]).toEqual([[], 0]);
  socket.open();
  await advance(10 * SECOND);
  expect(socket.sent).toEqual([PING]);
  stop();
  socket.open();
  await advance(60 * SECOND);
  expect([socket.sent, vi.getTimerCount()]).toEqual([[PING], 0]);

  const { client } = await open();
  attachHeartbeat(client);
  client.close();
  await advance(60 * SECOND);
  expect(vi.getTimerCount()).toBe(0);
});

test.for([0, 4.9, -1, 3601, Number.POSITIVE_INFINITY, Number.NaN])('%d seconds are refused', (seconds) => {
  expect(() => attachHeartbeat(answeringSocket().socket, { seconds })).toThrow(
    'heartbeat: seconds must be 5 to 3600',
  );
});
