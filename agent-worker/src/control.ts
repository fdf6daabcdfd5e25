import type { sessionQueries } from '@agent-ticket/drizzle/record/sessions.ts';
import {
  type ControlCommand,
  type Receipt,
  type Target,
  verifyControl,
} from '@agent-ticket/shared/control.ts';
import { takeFromRequest } from '@agent-ticket/shared/handshake.ts';
import { deny, type Outcome } from '@agent-ticket/shared/outcome.ts';
import type { FindKey } from '@agent-ticket/shared/verify-ticket.ts';
import type { GateConfig } from './config.ts';
import { refuseHttp } from './gate/refuse.ts';
import type { ControlOrder, OrderAnswer } from './order.ts';

export interface ControlPorts {
  readonly config: GateConfig;
  readonly findKey: FindKey;
  readonly sessions: Pick<ReturnType<typeof sessionQueries>, 'liveObjects'>;
  /** Gives one object an order; rejects when the object does not answer. */
  readonly order: (agent: string, instance: string, order: ControlOrder) => Promise<OrderAnswer>;
  readonly randomId: () => string;
  readonly clock: () => number;
  readonly log: (event: Readonly<Record<string, unknown>>) => void;
}

export const isControlPath = (pathname: string): boolean => pathname === '/control';

/** Objects asked by one command; the broker repeats the command for the rest. */
const FAN_OUT = 100;
/** Asked at the same time. */
const AT_ONCE = 20;

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
    inside: outcome.denial.inside,
    request_id: requestId,
  });
  return refuseHttp(outcome.denial, requestId);
}

async function carryOut(request: Request, ports: ControlPorts): Promise<Outcome<Receipt>> {
  if (request.method !== 'POST') return deny('method_not_allowed', { allow: ['POST'] });
  const taken = takeFromRequest(request.headers);
  if (!taken.ok) return deny('control_invalid', { inside: 'missing' });
  const startedAt = ports.clock();
  const verified = await verifyControl(taken.value.ticket, {
    issuer: ports.config.issuer,
    ticketAudience: ports.config.audience,
    now: Math.floor(startedAt / 1000),
    findKey: ports.findKey,
  });
  if (!verified.ok) return verified;
  const { cmd, before } = verified.value;

  const objects = await namedObjects(cmd, before, ports);
  const asked = objects.slice(0, FAN_OUT);
  const answers: PromiseSettledResult<OrderAnswer>[] = [];
  for (let from = 0; from < asked.length; from += AT_ONCE) {
    const batch = asked.slice(from, from + AT_ONCE);
    answers.push(
      ...(await Promise.allSettled(
        batch.map(({ agent, instance }) => ports.order(agent, instance, { cmd, before })),
      )),
    );
  }
  const unreachable = answers.filter((answer) => answer.status === 'rejected').length;
  const closed = answers.reduce(
    (sum, answer) => sum + (answer.status === 'fulfilled' ? answer.value.closed : 0),
    0,
  );
  return {
    ok: true,
    value: {
      closed,
      objects: asked.length - unreachable,
      unreachable,
      pending: objects.length - asked.length,
      ms: ports.clock() - startedAt,
    },
  };
}

/** Objects to ask: those with live sessions that the command hits, and the one that it names in any case. */
async function namedObjects(
  cmd: ControlCommand,
  before: number,
  ports: ControlPorts,
): Promise<readonly { agent: string; instance: string }[]> {
  if (cmd.op === 'destroy') return [cmd.target];
  const target = targetOf(cmd);
  if (cmd.op !== 'refresh' && target.kind === 'instance') return [target];
  return ports.sessions.liveObjects(target, before, FAN_OUT + 1);
}

function targetOf(cmd: Exclude<ControlCommand, { op: 'destroy' }>): Target {
  if (cmd.op !== 'refresh') return cmd.target;
  const { agent, instance } = cmd;
  return instance === undefined ? { kind: 'agent', agent } : { kind: 'instance', agent, instance };
}
