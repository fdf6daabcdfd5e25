import type { Role } from '@agent-ticket/shared/names.ts';
import { vi } from 'vitest';
import { connect, type Socket } from './sockets.ts';
import { makeTicket, NOW, rights } from './tickets.ts';

/** Sessions that are renewed in band. */

/** Seconds of a session. */
export const LIFE = 600;

export const ticketOf = (instance: string, role: Role = 'owner', other: object = {}) =>
  makeTicket({ instance, ...rights('counter', role), session_expiry: NOW + LIFE, ...other });

export async function enter(instance: string, role: Role = 'owner', other: object = {}) {
  const ticket = await ticketOf(instance, role, other);
  const socket = await connect(`/agents/counter/${instance}`, { ticket });
  await socket.frame('cf_agent_state');
  return { socket, ticket };
}

/** Shows a ticket in band; what came of it. */
export async function renew(socket: Socket, ticket: unknown) {
  const seen = socket.frames.length;
  socket.send({ type: 'ticket.renew', ticket });
  return socket.next(seen, ({ type }) => type === 'ticket.renewed' || type === 'ticket.refused');
}

export function later(socket: Socket, seconds: number): Socket {
  vi.setSystemTime((NOW + seconds) * 1000);
  return socket;
}
