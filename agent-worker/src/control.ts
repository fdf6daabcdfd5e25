import type {
  liveObjectQueries,
  MeantSessions,
  ObjectPlace,
} from '@agent-ticket/drizzle/record/live-objects.ts';
import { type ControlCommand, type Receipt, verifyControl } from '@agent-ticket/shared/control.ts';
import { takeFromRequest } from '@agent-ticket/shared/handshake.ts';
import { err, type Outcome } from '@agent-ticket/shared/outcome.ts';
import type { Target } from '@agent-ticket/shared/target.ts';
import type { FindKey } from '@agent-ticket/shared/verify-ticket.ts';
import type { GateConfig } from './config.ts';
import { inTurns } from './control/in-turns.ts';
import { type ReconcilePorts, reconcile } from './control/reconcile.ts';
import { refuseHttp } from './gate/refuse.ts';
import type { ControlOrder, OrderAnswer } from './order.ts';

export interface ControlPorts extends ReconcilePorts {
  readonly config: GateConfig;
  readonly findKey: FindKey;
  readonly liveObjects: ReturnType<typeof liveObjectQueries>;
  /** Gives one object an order; rejects when the object does not answer. */
  readonly order: (agent: string, instance: string, order: ControlOrder) => Promise<OrderAnswer>;
  readonly randomId: () => string;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

export const isControlPath = (pathname: string): boolean => pathname === '/control';

/** Objects that one command closes sockets of; the broker repeats the command for the rest. */
const FAN_OUT = 100;
/** Pages of objects asked by one command, so that a hundred that do not answer keep nobody from being asked. */
const PAGES = 4;

/**
 * `POST /control`: carries a command of the broker to every object with sessions that it names, and says what came of
 * it. Repeating a command is harmless. The objects come from the record database, so one whose last sessions have not
 * reached it yet is not asked here: those sessions meet the lock's copy when they do.
 */
export async function answerControl(request: Request, ports: ControlPorts): Promise<Response> {
  const requestId = ports.randomId();
  const outcome = await carryOut(request, ports);
  if (outcome.ok) {
    const { value } = outcome;
    return Response.json(value, {
      status: value.pending === 0 ? 200 : 202,
      headers: { 'cache-control': 'no-store', 'x-request-id': requestId },
    });
  }
  ports.log({
    event: 'control_refused',
    reason: outcome.denial.reason,
    detail: outcome.denial.detail,
    request_id: requestId,
  });
  return refuseHttp(outcome.denial, requestId);
}

async function carryOut(request: Request, ports: ControlPorts): Promise<Outcome<Receipt>> {
  if (request.method !== 'POST') return err('method_not_allowed', { allow: ['POST'] });
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
  const { cmd, before } = verified.value;

  const done =
    cmd.op === 'reconcile' ? { ...(await reconcile(ports)), pending: 0 } : await tellAll(cmd, before, ports);
  return { ok: true, value: { ...done, ms: ports.clock() - startedAt } };
}

type Told = Omit<Receipt, 'ms'>;

/** Tells the objects that a command names, up to a hundred that answer. */
async function tellAll(cmd: TargetedCommand, before: number, ports: ControlPorts): Promise<Told> {
  const tell = async (objects: readonly ObjectPlace[]): Promise<Told> => {
    const answers = await inTurns(objects, ({ agent, instance }) =>
      ports.order(agent, instance, { cmd, before }),
    );
    const closed = answers.map((answer) => (answer.status === 'fulfilled' ? answer.value.closed : undefined));
    const unreachable = closed.filter((each) => each === undefined).length;
    return {
      closed: closed.reduce<number>((sum, each) => sum + (each ?? 0), 0),
      objects: objects.length - unreachable,
      unreachable,
      pending: 0,
    };
  };
  const one = namedObject(cmd);
  if (one !== undefined) return tell([one]);

  let sum: Told = { closed: 0, objects: 0, unreachable: 0, pending: 0 };
  // Objects keep only locks that name them.
  if (cmd.op === 'unlock') return sum;
  const meant = meantBy(cmd, before);
  let after: ObjectPlace | undefined;
  for (let page = 0; page < PAGES && sum.objects < FAN_OUT; page += 1) {
    const objects = await ports.liveObjects.list(meant, after, FAN_OUT - sum.objects);
    const told = await tell(objects);
    sum = {
      closed: sum.closed + told.closed,
      objects: sum.objects + told.objects,
      unreachable: sum.unreachable + told.unreachable,
      pending: 0,
    };
    after = objects.at(-1);
    if (after === undefined) return sum;
  }
  return { ...sum, pending: await ports.liveObjects.count(meant, after) };
}

type TargetedCommand = Exclude<ControlCommand, { op: 'reconcile' }>;

/** The one object that a command names, which is told in any case: its last sessions may not have been recorded yet. */
function namedObject(cmd: TargetedCommand): ObjectPlace | undefined {
  if (cmd.op === 'refresh') return undefined;
  return cmd.target.kind === 'instance' ? cmd.target : undefined;
}

/** Only sessions that the command ends: an object asked in vain would be asked again and again. */
function meantBy(cmd: TargetedCommand, before: number): MeantSessions {
  if (cmd.op !== 'refresh') return { target: cmd.target, before };
  const { agent, instance, principal } = cmd;
  const target: Target =
    instance === undefined ? { kind: 'agent', agent } : { kind: 'instance', agent, instance };
  return { target, principal, before };
}
