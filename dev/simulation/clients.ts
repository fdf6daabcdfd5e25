import { decodeJwt, decodeProtectedHeader } from 'jose';
import * as z from 'zod';
import { AGENTS, BROKER } from './deployment.ts';
import type { HeldSocket, HeldTicket, Notebook } from './notebook.ts';
import { PEOPLE, type Person } from './people.ts';
import { SimSocket } from './sockets.ts';
import type { World } from './world.ts';

const Ticketed = z.object({ ticket: z.string() });
const Payload = z.object({
  jti: z.string(),
  sub: z.string(),
  agent: z.string(),
  instance: z.string(),
  role: z.string(),
  grant: z.string().optional(),
  exp: z.int(),
  session_expiry: z.int(),
});
const Refusal = z.object({ error: z.object({ code: z.string() }) });

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** The code of a refusal. */
  readonly code: string | undefined;
}

/** The actions of clients. Each client has the credential of a person. A lost answer is `undefined`. */
export function createClients(
  world: World,
  notebook: Notebook,
  fetch: (request: Request) => Promise<Response>,
  minted: (ticket: HeldTicket) => void,
) {
  /** Selects one of the existing items by a number, which may be larger than their count. */
  const pickOf = <Item>(items: readonly Item[], pick: number): Item | undefined =>
    items.length === 0 ? undefined : items[pick % items.length];
  const openSockets = () =>
    notebook.sockets.filter(
      ({ isOpen, socket }) => isOpen && socket.readyState === SimSocket.READY_STATE_OPEN,
    );

  async function ask(
    person: Person,
    method: string,
    path: string,
    body?: object,
  ): Promise<Answer | undefined> {
    const request = new Request(`${BROKER}${path}`, {
      method,
      headers: {
        ...person.headers,
        'cf-connecting-ip': addressOf(person),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    try {
      const answer = await fetch(request);
      const read: unknown = await answer.json();
      const code = Refusal.safeParse(read).data?.error.code;
      world.trace(`${person.name} ${method} ${path}: ${answer.status} ${code ?? ''}`);
      return { status: answer.status, body: read, code };
    } catch (error) {
      if (!(error instanceof TypeError)) throw error;
      world.trace(`${person.name} ${method} ${path}: ${error.message}`);
      return undefined;
    }
  }

  async function mint(person: Person, agent: string, instance: string): Promise<HeldTicket | undefined> {
    const askedAt = world.time();
    const answer = await ask(person, 'POST', '/tickets', { agent, instance });
    if (answer?.status !== 201) return undefined;
    return note(person, Ticketed.parse(answer.body).ticket, askedAt);
  }

  function note(person: Person, text: string, askedAt: number): HeldTicket {
    const claims = Payload.parse(decodeJwt(text));
    const { kid = '' } = decodeProtectedHeader(text);
    const { jti, sub, agent, instance, role, grant, exp, session_expiry: sessionExpiry } = claims;
    const facts = { jti, kid, sub, agent, instance, role, grant, exp, sessionExpiry };
    const ticket: HeldTicket = { person, text, ...facts, askedAt, gotAt: world.time() };
    notebook.tickets.set(jti, ticket);
    minted(ticket);
    return ticket;
  }

  /** Opens a socket with a ticket, which may have been used before. */
  async function connect(ticket: HeldTicket): Promise<HeldSocket | undefined> {
    const { person, agent, instance, text } = ticket;
    const request = new Request(`${AGENTS}/agents/${agent}/${instance}?ticket=${text}`, {
      headers: { upgrade: 'websocket', 'cf-connecting-ip': addressOf(person) },
    });
    const answer = await fetch(request).catch((error: unknown) => {
      if (error instanceof TypeError) return undefined;
      throw error;
    });
    const end: unknown = answer === undefined ? undefined : Reflect.get(answer, 'webSocket');
    if (!(end instanceof SimSocket)) return undefined;
    const held: HeldSocket = {
      ...{ ticket, rights: ticket, socket: end, isOpen: true, frames: [], close: undefined },
      openedAt: world.time(),
    };
    notebook.sockets.push(held);
    end.listen({
      life: world.current(),
      frame: (frame) => held.frames.push(frame),
      closed: (code, reason) => {
        world.trace(`${person.name} was closed: ${code} ${reason}`);
        held.isOpen = false;
        held.close = { at: world.time(), code, reason };
      },
    });
    return held;
  }

  return {
    ask,
    mint,
    note,
    connect,
    pickOf,
    openSockets,

    async join(name: keyof typeof PEOPLE, agent: string, instance: string, pauseMs: number, times: number) {
      const ticket = await mint(PEOPLE[name], agent, instance);
      if (ticket === undefined) return;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
      await Promise.all(Array.from({ length: times }, () => connect(ticket)));
    },

    /** Sends a plain request, which needs a ticket but no socket. */
    async read(name: keyof typeof PEOPLE, agent: string, instance: string): Promise<void> {
      const ticket = await mint(PEOPLE[name], agent, instance);
      if (ticket === undefined) return;
      const request = new Request(`${AGENTS}/agents/${agent}/${instance}`, {
        headers: { authorization: `Bearer ${ticket.text}`, 'cf-connecting-ip': addressOf(ticket.person) },
      });
      const answer = await fetch(request).catch((error: unknown) => {
        if (!(error instanceof TypeError)) throw error;
      });
      world.trace(`${name} read ${agent}/${instance}: ${answer?.status}`);
    },

    presentAgain(pick: number): Promise<unknown> {
      const ticket = pickOf([...notebook.tickets.values()], pick);
      return ticket === undefined ? Promise.resolve() : connect(ticket);
    },

    send(pick: number): void {
      const held = pickOf(openSockets(), pick);
      for (let count = 0; count < 3; count += 1) held?.socket.send(`hello ${count}`);
    },

    async renew(pick: number): Promise<void> {
      const held = pickOf(openSockets(), pick);
      if (held === undefined) return;
      const { person, agent, instance } = held.ticket;
      const ticket = await mint(person, agent, instance);
      if (ticket === undefined || held.socket.readyState !== SimSocket.READY_STATE_OPEN) return;
      const seen = held.frames.length;
      held.socket.send(JSON.stringify({ type: 'ticket.renew', ticket: ticket.text }));
      await new Promise((resolve) => setTimeout(resolve, 3_000));
      if (held.frames.slice(seen).some((frame) => frame.includes('"ticket.renewed"'))) held.rights = ticket;
    },

    leave(pick: number): void {
      pickOf(openSockets(), pick)?.socket.close(1000, 'bye');
    },

    vanish(pick: number): void {
      pickOf(openSockets(), pick)?.socket.break();
    },

    /** Sends more requests for tickets at once than the limit of a minute allows. */
    async flood(name: keyof typeof PEOPLE): Promise<void> {
      const person = PEOPLE[name];
      const agent = name === 'stranger' ? 'lobby' : 'counter';
      const instance = name === 'stranger' ? 'main' : 'one';
      if (name === 'stranger') {
        await Promise.all(Array.from({ length: 35 }, () => mint(person, agent, instance)));
        return;
      }
      const requests = Array.from({ length: 20 }, () => ({ agent, instance }));
      await Promise.all(
        Array.from({ length: 4 }, async () => {
          const askedAt = world.time();
          const answer = await ask(person, 'POST', '/tickets/batch', { requests });
          if (answer?.status !== 200) return;
          for (const { ticket } of Batch.parse(answer.body).answers)
            if (ticket !== undefined) note(person, ticket, askedAt);
        }),
      );
    },
  };
}
export type Clients = ReturnType<typeof createClients>;

const Batch = z.object({ answers: z.array(z.object({ ticket: z.string().optional() })) });

/** Each person has a different address. */
const addressOf = ({ name }: Person): string => `192.0.2.${Object.keys(PEOPLE).indexOf(name) + 1}`;
