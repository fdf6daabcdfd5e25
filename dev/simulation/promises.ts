import { type Reached, SOCKETS_PER_PRINCIPAL } from './agents.ts';
import type { Row } from './databases.ts';
import type { Deployment } from './deployment.ts';
import { deadBy, type HeldTicket, type Notebook } from './notebook.ts';
import { START, type World } from './world.ts';

/** The difference that the product tolerates between the clocks of two of its machines, in ms. */
const CLOCKS_MS = 5_000;
/** A right must end one second after it was taken. The rest is for the operator's answer and a frame on their way. */
const BOUND_MS = 1_500;
/** The longest time for which a verifier uses a key set that it cannot fetch again. */
const KEYS_HELD_MS = 360_000;

const textOf = (row: Row, name: string): string => String(row[name]);

/**
 * Checks the promises that must be true at every moment of a run, in spite of any fault. A check runs at each event that
 * could break a promise: a call of agent code, a ticket for a client, a write to a database.
 */
export function watchPromises(world: World, deployment: Deployment, notebook: Notebook, isCalm: boolean) {
  const { violate } = notebook;

  const sessionRow = ({ agent, instance, sessionId }: Reached): Row | undefined =>
    deployment
      .hostOf(agent)
      ?.objects.get(instance)
      ?.durable.rows(`SELECT * FROM ticket_sessions WHERE id = '${sessionId}'`)[0];

  /** A frame or a connection reached an agent. */
  function reached(event: Reached): void {
    const row = sessionRow(event);
    const at = `${event.what} of ${event.agent}/${event.instance}, session ${event.sessionId}`;
    if (row === undefined) {
      violate('no frame of a stranger', `${at} has no session`);
      return;
    }
    if (row.ended_at !== null)
      violate('an ended session is over', `${at} ended by ${textOf(row, 'end_reason')}`);
    const now = world.time();
    if (now > Number(row.expires_at) + CLOCKS_MS) violate('a session ends by its session_expiry', at);
    const opener = textOf(row, 'ticket');
    const rights = notebook.tickets.get(textOf(row, 'jti'));
    if (event.what === 'connection') opened(event, opener, at);
    if (rights === undefined || event.what === 'connection') return;
    // For a session that was opened after the change, the second begins at its opening.
    const isOld = (notebook.admitted.get(event.sessionId)?.at ?? now) < now - BOUND_MS;
    const dead = isCalm && isOld ? deadBy(rights, notebook, now - BOUND_MS, now) : undefined;
    if (dead !== undefined) violate('a right that was taken is gone a second later', `${at}: ${dead.target}`);
  }

  function opened(event: Reached, jti: string, at: string): void {
    if (notebook.usedTickets.has(jti)) violate('a ticket opens one session', `${at}: ticket ${jti} again`);
    notebook.usedTickets.add(jti);
    notebook.admitted.set(event.sessionId, { jti, at: world.time() });
    const ticket = notebook.tickets.get(jti);
    // A client cannot present a ticket whose answer was lost, so every presented ticket is in the notebook.
    if (ticket === undefined) {
      violate('only a ticket opens a session', `${at}: ticket ${jti} is unknown`);
      return;
    }
    if (world.time() > ticket.exp * 1000 + 2 * CLOCKS_MS) violate('a ticket expires', at);
    const keyTaken = notebook.taken.find(({ target }) => target === `key:${ticket.kid}`);
    if (keyTaken?.doneAt !== undefined && world.time() > keyTaken.doneAt + KEYS_HELD_MS)
      violate('a revoked key opens nothing', at);
    const open = deployment
      .hostOf(event.agent)
      ?.objects.get(event.instance)
      ?.durable.rows(`SELECT principal FROM ticket_sessions WHERE ended_at IS NULL`)
      .filter((row) => textOf(row, 'principal') === ticket.sub);
    if ((open?.length ?? 0) > (SOCKETS_PER_PRINCIPAL[event.agent] ?? 0))
      violate('no more sockets than the limit', `${at}: ${open?.length}`);
  }

  /** A client got a ticket. */
  function minted(ticket: HeldTicket): void {
    const { agent, instance, sub, askedAt, gotAt, role } = ticket;
    const at = `${ticket.jti} of ${sub} for ${agent}/${instance}`;
    const dead = deadBy({ ...ticket, gotAt: askedAt + 1 }, notebook, askedAt, gotAt);
    if (dead !== undefined && dead.kind === 'lock')
      violate('nothing is minted against a lock', `${at}: ${dead.target}`);
    if (agent === 'vault') {
      const isGranted = notebook.maybeGranted.some(
        (each) => each.principal === sub && each.askedAt <= gotAt && each.instance === instance,
      );
      if (!isGranted) violate('nobody gets what policy refuses', `${at}: no grant was ever made`);
      if (ticket.grant === undefined)
        violate('nobody gets what policy refuses', `${at}: it rests on no grant`);
    }
    if (agent !== 'notes' && agent !== 'vault' && role !== 'viewer')
      violate('nobody gets what policy refuses', `${at}: role ${role}`);
    withinLimit(ticket, at);
  }

  /** Any minute may have twice the limit, because a window of the limit begins with its first request. */
  function withinLimit(ticket: HeldTicket, at: string): void {
    const { limit } = ticket.person;
    if (limit === undefined) return;
    const mine = [...notebook.tickets.values()].filter(
      ({ person, gotAt }) => person === ticket.person && gotAt > ticket.gotAt - 60_000,
    );
    if (mine.length > 2 * limit)
      violate('no more tickets than the limit', `${at}: ${mine.length} in a minute`);
  }

  const keyStates = (): Row[] =>
    deployment.control.sqlite.all(
      `SELECT purpose, sum(activates_at > ?1) AS pending,
         sum(activates_at <= ?1 AND (retires_at IS NULL OR retires_at > ?1)) AS active
       FROM signing_keys WHERE revoked_at IS NULL AND generation > 1 GROUP BY purpose`,
      [world.time() + CLOCKS_MS],
    );

  deployment.control.onWritten = () => {
    for (const row of deployment.control.sqlite.all('SELECT id FROM outbox'))
      notebook.enqueued.add(textOf(row, 'id'));
    for (const row of keyStates())
      if (Number(row.pending) > 1) violate('one key is pending', `${textOf(row, 'purpose')}: ${row.pending}`);
  };

  return { reached, minted };
}

/** Reports a log line about a bug in the code. The simulated agents never fail. */
export function watchLog(notebook: Notebook, line: string): void {
  const isBug =
    /"event":"(bug|agent_failed|not_started|fact_set_aside|change_unreadable)"|"outage":false/.test(line);
  if (isBug) notebook.violate('no bug', line.slice(0, 400));
}

export const secondsSinceStart = (at: number): number => (at - START) / 1000;
