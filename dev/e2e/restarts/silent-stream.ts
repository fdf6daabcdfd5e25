import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import type { Socket } from 'node:net';
import { expect } from 'vitest';
import type { Deployment } from './deployment.ts';

/** Opens a silent stream after its first event; answers the connection that its client has. */
export async function openSilentStream(deployment: Deployment, instance: string): Promise<Socket> {
  const ticket = await deployment.mint(instance, 'http');
  const asking = request(`${deployment.agentWorker}/agents/counter/${instance}`, {
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
