import { env } from 'cloudflare:workers';
import { openRecord } from '@agent-ticket/drizzle/record/open-d1.ts';
import { CONTROL_TYPE, controlAudience } from '@agent-ticket/shared/control.ts';
import { AgentSlug, InstanceName } from '@agent-ticket/shared/names.ts';
import type { Revocation } from '@agent-ticket/shared/revocation.ts';
import { PAYLOAD, type Signer, signBytes } from '@agent-ticket/shared/test/tickets.ts';
import { vi } from 'vitest';
import { CommandAnswer, commandRequest, type ObjectCommand } from '../src/handover.ts';
import { gate } from './gate.ts';
import { ask, HOST, worker } from './sockets.ts';
import { AUDIENCE, ISSUER, makeTicket, newInstance, signer } from './tickets.ts';

/** The broker's commands: as the worker gets them, and as an object gets them from the worker. */

/** A control token issued now, some claims and header members replaced. */
export async function makeCommand(
  cmd: object,
  claims: object = {},
  { by = signer, header = {} }: { by?: Signer; header?: object } = {},
): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  const payload = {
    iss: ISSUER,
    aud: controlAudience(AUDIENCE),
    jti: crypto.randomUUID(),
    iat: now,
    exp: now + 30,
    cmd,
    ...claims,
  };
  return signBytes(
    by,
    JSON.stringify({ alg: by.alg, typ: CONTROL_TYPE, kid: by.kid, ...header }),
    JSON.stringify(payload),
  );
}

/** `POST /control` with a token; status and body. */
export async function command(token: string | undefined, method = 'POST') {
  const headers: Record<string, string> = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const answer = await worker(new Request(`${HOST}/control`, { method, headers }));
  const body: unknown = await answer.json();
  return { status: answer.status, body };
}

/** `POST /control` with a command. */
export const control = async (cmd: object) => command(await makeCommand(cmd));

/** The number of the next change after those that the decision of a test's tickets took into account. */
export const NEXT_REV = PAYLOAD.rev + 1;

/** The next change: a lock that has no end. */
export const lock = (target: string, other: Partial<Revocation> = {}): Revocation => ({
  id: `lock ${target}`,
  rev: NEXT_REV,
  target,
  kind: 'any',
  until: null,
  code: 'locked',
  ...other,
});

/** The next change: tickets that were decided before it count no more. */
export const cutoff = (target: string, other: Partial<Revocation> = {}): Revocation => ({
  ...lock(target),
  id: `cutoff ${target}`,
  kind: 'before',
  code: 'session_terminated',
  ...other,
});

/** A cutoff after which clients come back with a new ticket. */
export const refresh = (target: string, other: Partial<Revocation> = {}): Revocation =>
  cutoff(target, { code: 'rights_changed', ...other });

/** Writes the record's copy, as the broker does before it sends commands. */
export const recordRevocation = (revocation: Revocation): Promise<void> =>
  openRecord(env.RECORD).deliverChange(
    { eventId: crypto.randomUUID(), at: Date.now(), type: 'lock.created', outcome: 'success' },
    [revocation],
  );

/**
 * Later with each use: every test begins at the same moment, and a feed that was read then counts as fresh. All files
 * share it, so it begins again before tickets of a minute expire: a read that lies ahead is not fresh either.
 */
let laterMs = 0;
const LATEST_MS = 40_000;

/** Writes the record's copy a second ago: both gates know it by now, since a plain request waits until its gate does. */
export async function revokedBefore(revocation: Revocation): Promise<void> {
  await recordRevocation(revocation);
  laterMs = laterMs < LATEST_MS ? laterMs + 1_001 : 1_001;
  vi.setSystemTime(Date.now() + laterMs);
  const instance = newInstance();
  const ticket = await makeTicket({ instance });
  for (const front of [worker, gate]) await ask(`/agents/counter/${instance}`, { ticket, front });
}

/** A command straight to an object. */
export async function send(
  stub: { fetch(request: Request): Promise<Response> },
  cmd: ObjectCommand,
): Promise<CommandAnswer> {
  const answer = await stub.fetch(commandRequest(cmd));
  return CommandAnswer.parse(await answer.json());
}

/** A revocation straight to an object; how many sockets it closed. */
export const revoke = async (stub: DurableObjectStub, revocation: Revocation): Promise<number> =>
  (await send(stub, { op: 'revoke', revocation })).closed;

/** An instance as commands name it. */
export const placeOf = (instance: string, agent = 'counter') => ({
  agent: AgentSlug.parse(agent),
  instance: InstanceName.parse(instance),
});
