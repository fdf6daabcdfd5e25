import type { AgentInstance } from '@agent-ticket/drizzle/record/revocations.ts';
import type { RecordStore } from '@agent-ticket/drizzle/record/store.ts';
import { type ControlCommand, type Receipt, verifyControl } from '@agent-ticket/shared/control.ts';
import { describeError } from '@agent-ticket/shared/describe-error.ts';
import { takeFromRequest } from '@agent-ticket/shared/handshake.ts';
import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import { type AgentRegistry, registryDigest } from '@agent-ticket/shared/registry.ts';
import type { Revocation } from '@agent-ticket/shared/revocation.ts';
import { readTargetName } from '@agent-ticket/shared/target.ts';
import { logNaming, nameRequest } from '@agent-ticket/shared/trace-context.ts';
import type { FindKey } from '@agent-ticket/shared/verify-ticket.ts';
import type { GateConfig } from './config.ts';
import { inBatches, type ReconcilePorts, reconcile } from './control/reconcile.ts';
import { faultDenial, faultLine, ownHeaders, refuseHttp } from './gate/answer.ts';
import type { CommandAnswer, ObjectCommand } from './handover.ts';
import { ROUTES } from './routes.ts';

export interface ControlPorts extends ReconcilePorts {
  readonly config: GateConfig;
  /** The agents of this worker. */
  readonly registry: AgentRegistry;
  readonly findKey: FindKey;
  readonly record: ReconcilePorts['record'] & {
    readonly revocations: Pick<RecordStore['revocations'], 'liveObjects' | 'countLiveObjects'>;
  };
  /** Sends one object a command; rejects when the object does not answer. */
  readonly command: (agent: string, instance: string, command: ObjectCommand) => Promise<CommandAnswer>;
  readonly randomId: () => string;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

/** Objects that answer one command; the broker repeats the command for the rest. */
const FAN_OUT = 100;
/** Pages of objects that one command tries, so that a hundred that do not answer do not hold up the others. */
const PAGES = 4;

/**
 * `POST /control`: dispatches a command of the broker to the objects that it concerns and answers a receipt. Commands
 * are idempotent, so a captured one that is repeated within its 30 s changes nothing.
 */
export async function answerControl(request: Request, shared: ControlPorts): Promise<Response> {
  const named = nameRequest(request.headers, shared.randomId());
  const { requestId } = named;
  const ports = { ...shared, log: logNaming(named, shared.log) };
  const outcome = await execute(request, ports).catch((error: unknown) => {
    ports.log({ ...faultLine(error), path: '/control' });
    return faultDenial(error);
  });
  if (outcome.ok) {
    const { value } = outcome;
    const headers = ownHeaders(requestId);
    return Response.json(value, { status: value.pending === 0 ? 200 : 202, headers });
  }
  const { reason, detail } = outcome.denial;
  ports.log({ event: 'control_refused', reason, detail });
  return refuseHttp(outcome.denial, requestId);
}

async function execute(request: Request, ports: ControlPorts): Promise<Outcome<Receipt>> {
  const allow: readonly string[] = ROUTES.control.methods;
  if (!allow.includes(request.method)) return err('method_not_allowed', { allow });
  const taken = takeFromRequest(request.headers);
  if (!taken.ok) return err('control_invalid', { detail: 'missing' });
  const startedAt = ports.clock();
  const verified = await verifyControl(taken.value.ticket, {
    issuer: ports.config.issuer,
    ticketAudience: ports.config.audience,
    nowSeconds: Math.floor(startedAt / 1000),
    findKey: ports.findKey,
  });
  if (!verified.ok) return verified;
  const done = await dispatch(verified.value.cmd, ports, startedAt);
  return ok({ ...done, ms: ports.clock() - startedAt });
}

type Dispatched = Omit<Receipt, 'ms'>;

async function dispatch(command: ControlCommand, ports: ControlPorts, now: number): Promise<Dispatched> {
  switch (command.op) {
    case 'reconcile':
      return { ...(await reconcile(ports)), pending: 0 };
    case 'digest':
      // A worker that cannot read its record can take no other command either: it is not to be counted as one that answers.
      await ports.record.sessions.listOpen(ports.config.audience, 0, now, 1);
      return { ...NOTHING, registry: await registryDigest(ports.registry) };
    case 'destroy':
    case 'lapse':
      return send([command], command, ports);
    case 'revoke': {
      const { revocation, at } = command;
      const target = readTargetName(revocation.target);
      if (at !== undefined) return send([at], { op: 'revoke', revocation }, ports);
      // Whatever the record says: the last sessions of the object may not have been recorded yet.
      if (target.kind === 'instance') return send([target], command, ports);
      // Objects keep only revocations that name them, so there is nothing to lift elsewhere.
      const isLift = revocation.until !== null && revocation.until <= now;
      return isLift ? NOTHING : fanOut(revocation, ports);
    }
  }
}

const NOTHING: Dispatched = { closed: 0, objects: 0, unreachable: 0, pending: 0 };

/**
 * Sends a revocation to the objects with live sessions that it hits, up to a hundred that answer. A session that the
 * record does not have yet meets the record's copy of the revocation when it is delivered.
 */
async function fanOut(revocation: Revocation, ports: ControlPorts): Promise<Dispatched> {
  const { revocations } = ports.record;
  const { audience } = ports.config;
  let sum = NOTHING;
  let after: AgentInstance | undefined;
  for (let page = 0; page < PAGES && sum.objects < FAN_OUT; page += 1) {
    const objects = await revocations.liveObjects(audience, revocation, after, FAN_OUT - sum.objects);
    const sent = await send(objects, { op: 'revoke', revocation }, ports);
    sum = {
      closed: sum.closed + sent.closed,
      objects: sum.objects + sent.objects,
      unreachable: sum.unreachable + sent.unreachable,
      pending: 0,
    };
    after = objects.at(-1);
    if (after === undefined) return sum;
  }
  return { ...sum, pending: await revocations.countLiveObjects(audience, revocation, after) };
}

async function send(
  objects: readonly AgentInstance[],
  command: ObjectCommand,
  ports: ControlPorts,
): Promise<Dispatched> {
  const results = await inBatches(objects, ({ agent, instance }) => ports.command(agent, instance, command));
  const answers = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failed = results.find((result) => result.status === 'rejected');
  const unreachable = objects.length - answers.length;
  if (failed !== undefined)
    ports.log({ event: 'objects_unreachable', count: unreachable, error: describeError(failed.reason) });
  const opened = answers.find((answer) => answer.opened !== undefined)?.opened;
  return {
    closed: answers.reduce((sum, { closed }) => sum + closed, 0),
    objects: answers.length,
    unreachable,
    pending: 0,
    ...(opened === undefined ? {} : { opened }),
  };
}
