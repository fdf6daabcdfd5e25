import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { expect } from 'vitest';
import type { Stand } from './stand.ts';

/** Opens a stream on which nothing is said after its first event; answers the connection that its client has. */
export async function openSilentStream(stand: Stand, instance: string): Promise<Socket> {
  const ticket = await stand.mint(instance, 'http');
  const asking = request(`${stand.agentWorker}/agents/counter/${instance}`, {
    headers: { authorization: `Bearer ${ticket}`, accept: 'text/event-stream' },
  });
  asking.on('error', () => {});
  const answered = once(asking, 'response');
  asking.end();
  const [answer] = (await answered) as [IncomingMessage];
  answer.on('error', () => {});
  expect([answer.statusCode, String(await once(answer, 'data'))]).toEqual([200, 'data: 1\n\n']);
  return answer.socket;
}
