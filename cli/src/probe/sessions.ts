import * as z from 'zod';
import { withTicket } from './bad-tickets.ts';
import { type Check, type Finding, fault, skipped } from './check.ts';
import { type Frame, isOpen, ofType, type Socket } from './socket.ts';
import type { Target } from './target.ts';

/** Frames of an open session, its renewal, and its end. Nothing here changes the state of an agent. */

const FRAMES = 'Frames and plain requests';

/** A check on a new socket. The request for its ticket has these members. */
const inSession = (
  name: string,
  clause: string,
  members: object,
  run: (socket: Socket, target: Target, jti: string) => Promise<Finding>,
): Check => ({
  name,
  clause,
  run: async (target) => {
    const { ticket, jti } = await target.mint(members);
    const opened = await target.open(withTicket(target.good, ticket));
    if ('refused' in opened) return fault(opened.refused);
    const { socket } = opened;
    try {
      return await run(socket, target, jti);
    } finally {
      socket.close();
    }
  },
});

/** The right to connect, and no other right. */
const LEAST = { scope: 'agent:connect' };

async function refusedFrame(
  socket: Socket,
  frame: string | Uint8Array<ArrayBuffer> | object,
  isRefusal: (answer: Frame) => boolean,
): Promise<Finding> {
  socket.send(frame);
  if ((await socket.find(isRefusal)) === undefined)
    return fault(`no such answer: ${socket.frames.map(({ type }) => String(type)).join(', ')}`);
  return (await isOpen(socket)) ? undefined : fault('the socket did not stay open');
}

const isDenied = (frame: Frame): boolean =>
  frame.type === 'ticket.denied' && frame.code === 'forbidden' && frame.scope === 'agent:message';

const renewed = ofType('ticket.renewed');
const refused = ofType('ticket.refused');

const renew = async (socket: Socket, ticket: string): Promise<Frame | undefined> => {
  const before = socket.frames.length;
  socket.send({ type: 'ticket.renew', ticket });
  return socket.find((frame) => socket.frames.indexOf(frame) >= before && (renewed(frame) || refused(frame)));
};

const notRenewed = (name: string, ticketOf: (target: Target) => string | Promise<string>): Check =>
  inSession(name, FRAMES, {}, async (socket, target) => {
    const answer = await renew(socket, await ticketOf(target));
    if (answer === undefined || !refused(answer)) return fault(`answered ${String(answer?.type)}`);
    return (await isOpen(socket)) ? undefined : fault('the socket did not stay open');
  });

const Sessions = z.object({ items: z.array(z.object({ id: z.string(), jti: z.string() })) });
/** The record database normally has an opened session within half a second. */
const TRIES = 20;
const TRY_MS = 500;

async function sessionOf({ ask, own, wait }: Target, jti: string): Promise<string | undefined> {
  for (let tries = 0; tries < TRIES; tries += 1) {
    const { body } = await ask('/sessions?limit=200', { headers: own });
    const found = Sessions.safeParse(body).data?.items.find((each) => each.jti === jti);
    if (found !== undefined) return found.id;
    await wait(TRY_MS);
  }
  return undefined;
}

export const SESSIONS: readonly Check[] = [
  inSession(
    'an admitted client with the right to read gets identity or state',
    FRAMES,
    {},
    async (socket, { scope }) => {
      if (!scope.includes('agent:state:read')) return skipped('the credential may not read');
      const first = await socket.find(({ type }) => typeof type === 'string' && type.startsWith('cf_agent_'));
      return first === undefined ? fault('it gets neither') : undefined;
    },
  ),
  inSession('a client without the right to read gets neither', FRAMES, LEAST, async (socket) => {
    if (!(await isOpen(socket))) return fault('the socket did not stay open');
    const given = socket.frames.find(({ type }) => type === 'cf_agent_identity' || type === 'cf_agent_state');
    return given === undefined ? undefined : fault(`it gets ${String(given.type)}`);
  }),
  inSession('a ping is answered', FRAMES, LEAST, async (socket) =>
    (await isOpen(socket)) ? undefined : fault('it is not'),
  ),
  inSession('a call without its scope is answered with forbidden', FRAMES, LEAST, (socket) =>
    refusedFrame(
      socket,
      { type: 'rpc', id: 'probe', method: 'probe', args: [] },
      (answer) =>
        answer.type === 'rpc' &&
        answer.id === 'probe' &&
        answer.success === false &&
        answer.error === 'forbidden',
    ),
  ),
  inSession('a change of state without its scope is answered with forbidden', FRAMES, LEAST, (socket) =>
    refusedFrame(
      socket,
      { type: 'cf_agent_state', state: { probe: true } },
      (answer) => answer.type === 'cf_agent_state_error' && answer.error === 'forbidden',
    ),
  ),
  ...[
    ['a message', { type: 'probe' }],
    ['a text', 'probe'],
    ['bytes', new Uint8Array([0, 1, 2])],
    ['a list', []],
    ['a type that is not text', { type: { toString: 1 } }],
    ['a type in capitals', { type: 'RPC', id: 'probe', method: 'probe', args: [] }],
  ].map(([what, frame = '']) =>
    inSession(`denied without its scope: ${String(what)}`, FRAMES, LEAST, (socket) =>
      refusedFrame(socket, frame, isDenied),
    ),
  ),
  inSession('a session is renewed in band', FRAMES, LEAST, async (socket, target) => {
    const { ticket, scope } = await target.mint();
    const answer = await renew(socket, ticket);
    if (answer === undefined || !renewed(answer)) return fault(`answered ${String(answer?.type)}`);
    return answer.scope === scope ? undefined : fault(`it has ${String(answer.scope)}`);
  }),
  inSession('a renewal uses its ticket up', FRAMES, {}, async (socket, target) => {
    const { ticket } = await target.mint();
    await renew(socket, ticket);
    const seen = await target.show(withTicket(target.good, ticket));
    if (seen.admitted) return fault('it opens a socket');
    const again = await renew(socket, ticket);
    return again !== undefined && refused(again) ? undefined : fault('it renews again');
  }),
  notRenewed('a text that is no ticket renews nothing', () => 'probe'),
  notRenewed('a ticket for plain requests renews nothing', ({ good }) => good.httpTicket),
  notRenewed('an altered ticket renews nothing', ({ good }) => good.ticket.slice(0, -20)),
  notRenewed('a used ticket renews nothing', async (target) => {
    const { ticket } = await target.mint();
    await target.show(withTicket(target.good, ticket));
    return ticket;
  }),
  inSession(
    'the close of a client is answered with its own code',
    'RFC 6455 §5.5.1',
    LEAST,
    async (socket) => {
      socket.close(4321);
      const closed = await socket.closed();
      return closed?.code === 4321 ? undefined : fault(`closed with ${String(closed?.code)}`);
    },
  ),
  inSession(
    'a principal finds its own session, and ends it',
    'HTTP for callers',
    {},
    async (socket, target, jti) => {
      const id = await sessionOf(target, jti);
      if (id === undefined) return fault('it is not in the list');
      const { status } = await target.ask(`/sessions/${id}`, { method: 'DELETE', headers: target.own });
      if (status !== 200 && status !== 202) return fault(`its end is answered by ${status}`);
      const closed = await socket.closed();
      return closed?.code === 4003
        ? undefined
        : fault(closed ? `closed with ${closed.code}` : 'it stays open');
    },
  ),
];
