import { isSound } from '@agent-ticket/broker/src/audit/proof/verification.ts';
import { verifyExport } from '@agent-ticket/broker/src/audit/proof/verify.ts';
import { readKeySet } from '@agent-ticket/shared/key-set.ts';
import type { Row } from './databases.ts';
import type { Deployment } from './deployment.ts';
import { deadBy, mayBeDead, type Notebook } from './notebook.ts';
import type { World } from './world.ts';

/**
 * A session must end one second after it lost its right. The rest of the time is for the close on its way to the
 * client.
 */
const BOUND_MS = 1_500;

/** Checks the conditions that must be true after all faults ended and no work is left. */
export function checkEnding(
  world: World,
  deployment: Deployment,
  notebook: Notebook,
  /** The end of the last fault. */
  healedAt: number,
  /** The restore of a backup of the record database. */
  restoredAt: number | undefined,
  /** The run had no faults, so each session must end in time. */
  isCalm: boolean,
): void {
  const { violate } = notebook;
  const wasRestored = restoredAt !== undefined;
  const control = (sql: string): Row[] => deployment.control.sqlite.all(sql);
  const record = (sql: string): Row[] => deployment.record.sqlite.all(sql);
  const countOf = (rows: readonly Row[], name: string): Map<string, number> => {
    const counts = new Map<string, number>();
    for (const row of rows) counts.set(String(row[name]), (counts.get(String(row[name])) ?? 0) + 1);
    return counts;
  };

  for (const { id, attempts } of control('SELECT id, attempts FROM outbox'))
    violate('every change is delivered', `${String(id)} after ${String(attempts)} attempts`);

  const events = record('SELECT * FROM audit_events');
  const ofType = (type: string): Row[] => events.filter((each) => each.type === type);
  const ids = countOf(events, 'event_id');
  if (!wasRestored) {
    for (const id of notebook.enqueued)
      if (ids.get(id) !== 1) violate('every event arrives', `${id} of the outbox: ${ids.get(id) ?? 0}`);
    const issued = countOf(ofType('ticket.issued'), 'jti');
    for (const { jti } of notebook.tickets.values())
      if (issued.get(jti) !== 1) violate('no ticket without its event', `${jti}: ${issued.get(jti) ?? 0}`);
  }

  const [used, opened, closed] = ['ticket.used', 'session.opened', 'session.closed'].map((type) =>
    countOf(ofType(type), 'session_id'),
  );
  const recorded = new Map(record('SELECT * FROM agent_sessions').map((row) => [String(row.id), row]));
  const openSockets = new Map(
    notebook.sockets.filter(({ isOpen }) => isOpen).map((held) => [held.ticket.jti, held]),
  );
  for (const [id, { jti, at }] of notebook.admitted) {
    const isOpen = openSockets.has(jti);
    const row = recorded.get(id);
    if (wasRestored && at < healedAt) continue;
    if (used?.get(id) !== 1 || opened?.get(id) !== 1)
      violate('every session is recorded', `${id}: used ${used?.get(id)}, opened ${opened?.get(id)}`);
    if ((closed?.get(id) ?? 0) !== (isOpen ? 0 : 1))
      violate(
        'every end is recorded once',
        `${id}: closed ${closed?.get(id)}, its socket is ${isOpen ? 'open' : 'closed'}`,
      );
    if (row === undefined || (row.ended_at === null) !== isOpen)
      violate(
        'the record has the open sessions',
        `${id}: ${String(row?.ended_at)}, its socket is ${isOpen ? 'open' : 'closed'}`,
      );
  }

  // No lock finds a session that a restored record lacks: its socket stays open until its session_expiry.
  const lost = new Set<string>();
  for (const [id, { jti }] of notebook.admitted) if (wasRestored && !recorded.has(id)) lost.add(jti);
  for (const { ticket, rights } of openSockets.values()) {
    if (world.time() > rights.sessionExpiry * 1000 + 10_000)
      violate('a session ends by its session_expiry', `${ticket.jti} of ${ticket.sub}`);
    if (lost.has(ticket.jti)) continue;
    const dead = deadBy(rights, notebook, healedAt, world.time());
    if (dead !== undefined)
      violate(
        'no session outlives what ended it',
        `${ticket.jti} of ${ticket.sub}: ${dead.kind} ${dead.target}`,
      );
  }

  for (const { rights, ticket, openedAt, close } of isCalm ? notebook.sockets : []) {
    const end = close?.at ?? world.time();
    const dead = notebook.taken.find(({ doneAt = Number.POSITIVE_INFINITY }) => {
      const since = Math.max(doneAt, openedAt);
      return since + BOUND_MS < end && deadBy(rights, notebook, since, since + BOUND_MS) !== undefined;
    });
    if (dead !== undefined)
      violate(
        'a session ends a second after it lost its right',
        `${ticket.jti} of ${ticket.sub}: ${dead.target}`,
      );
  }

  // Sessions of a first user (`notes`) also end for other reasons: a deletion or an expired claim.
  for (const [id, { jti }] of notebook.admitted) {
    const [opened, row] = [notebook.tickets.get(jti), recorded.get(id)];
    const rights = notebook.tickets.get(String(row?.jti)) ?? opened;
    const isTaken = ['locked', 'session_terminated', 'rights_changed'].includes(String(row?.end_reason));
    if (rights === undefined || opened === undefined || !isTaken || rights.agent === 'notes') continue;
    if (!mayBeDead(rights, notebook) && !mayBeDead(opened, notebook))
      violate('a session ends for a reason', `${id} of ${rights.sub}: ${String(row?.end_reason)}`);
  }

  checkCopies(world, control, record, violate);
  const active = control(
    `SELECT kid FROM signing_keys WHERE purpose = 'ticket' AND revoked_at IS NULL
       AND (retires_at IS NULL OR retires_at > ${world.time()}) AND (generation = 1 OR activates_at <= ${world.time()})`,
  );
  if (active.length !== 1) violate('one key signs', `${active.length}`);
}

/** The record database must have the newest version of every revocation in force. */
function checkCopies(
  world: World,
  control: (sql: string) => Row[],
  record: (sql: string) => Row[],
  violate: Notebook['violate'],
): void {
  const copies = new Map(record('SELECT id, rev FROM revocation_copies').map(({ id, rev }) => [id, rev]));
  const inForce = control(
    `SELECT id, rev FROM revocations WHERE (until IS NULL OR until > ${world.time()}) AND id <> 'restored'`,
  );
  for (const { id, rev } of inForce)
    if (Number(copies.get(id) ?? 0) < Number(rev))
      violate('every revocation has its copy', `${String(id)}: ${String(copies.get(id))} of ${String(rev)}`);
}

/** Verifies the exported audit log with the published keys and the seal in the control database. */
export async function checkLog(
  { ndjson, keySet }: { readonly ndjson: string; readonly keySet: string },
  deployment: Deployment,
  { violate }: Notebook,
): Promise<void> {
  const keys = await readKeySet(new TextEncoder().encode(keySet), ['ES256']);
  const [seal] = deployment.control.sqlite.all('SELECT n, through, hash FROM audit_seal');
  if (keys === undefined || seal === undefined) {
    violate('the log is sealed', 'there is no seal');
    return;
  }
  const anchor = { n: Number(seal.n), through: Number(seal.through), hash: String(seal.hash) };
  const verified = await verifyExport(ndjson.replace(/\n$/, '').split('\n'), keys, anchor);
  if (!isSound(verified)) violate('the sealed log verifies', JSON.stringify(verified));
}
