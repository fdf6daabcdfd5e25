import { ControlCommand } from '@agent-ticket/shared/control.ts';
import { DENIALS, type Denial, type DenialReason } from '@agent-ticket/shared/denial.ts';
import { DELIVERIES } from '@agent-ticket/shared/handshake.ts';
import {
  AgentSlug,
  CallbackId,
  InstanceName,
  KeyId,
  PrincipalId,
  Role,
  SessionId,
} from '@agent-ticket/shared/names.ts';
import { bindingNamesOf, noBinding } from '@agent-ticket/shared/registry.ts';
import { CallbackScope, formatScope, Scope } from '@agent-ticket/shared/scope.ts';
import { targetNamesOfCall } from '@agent-ticket/shared/target.ts';
import { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import type { VerifiedTicket } from '@agent-ticket/shared/verify-ticket.ts';
import * as z from 'zod';
import { FEEDS } from './gate/revocation-feed.ts';

/**
 * The contract between the worker (gate and control) and the objects behind it.
 *
 * The worker sends what it has verified as members of `request.cf`: metadata that the runtime carries beside a request.
 * No header, path or body of a client becomes part of it. A client of the local runtime can set `cf` (`MF-CF-Blob`), so
 * the gate drops members of ours that come from outside.
 */

const PREFIX = 'agentTicket';

const memberNames: string[] = [];
/** The name of every member of ours, for tests that forge them. */
export const CF_MEMBERS: readonly string[] = memberNames;

/** One member. Its name begins with the prefix that {@link withoutOwnMembers} drops. */
function cfMember<Schema extends z.ZodType>(suffix: '' | Capitalize<string>, schema: Schema) {
  const name = `${PREFIX}${suffix}`;
  memberNames.push(name);
  return {
    write: (value: z.input<Schema>, cf?: object): Record<string, unknown> => ({ ...cf, [name]: value }),
    /** Checked again in full; `undefined` where there is none. */
    read(cf: unknown): z.output<Schema> | undefined {
      const value: unknown =
        typeof cf === 'object' && cf !== null && Object.hasOwn(cf, name) ? Reflect.get(cf, name) : undefined;
      return value === undefined ? undefined : schema.safeParse(value).data;
    },
  };
}

/** The `cf` of a client's request without members of ours, with which a client could command an object. */
const withoutOwnMembers = (cf: object | undefined): Record<string, unknown> =>
  Object.fromEntries(Object.entries(cf ?? {}).filter(([name]) => !name.startsWith(PREFIX)));

/** The registry's limits as they travel with a verified ticket. */
export const HandedLimits = z.strictObject({
  socketsPerPrincipal: z.int().positive(),
  messagesPerSecond: z.int().positive(),
  frameBytes: z.int().positive(),
  idleSeconds: z.int().positive().optional(),
});
export type HandedLimits = z.infer<typeof HandedLimits>;

/** A verified ticket and the facts of the request that presented it. An object refuses a request without one. */
const Handover = z.strictObject({
  claims: TicketClaims,
  kid: KeyId,
  sessionId: SessionId,
  delivery: z.enum(DELIVERIES),
  limits: HandedLimits,
  requestId: z.string(),
  ipAddress: z.string().nullable(),
  userAgent: z.string().nullable(),
  /** Digest of the browser's cookie, where the agent adds MCP servers with OAuth. */
  browser: z.string().optional(),
  /** Whether the gate knew the revocations of the last second. If not, they are checked once the session is recorded. */
  feed: z.enum(FEEDS),
});
export type Handover = z.output<typeof Handover>;

const handoverMember = cfMember('', Handover);

/** The `cf` to send to the object, in place of whatever came as a handover from outside. */
export const writeHandover = (
  cf: object | undefined,
  { claims, kid }: VerifiedTicket,
  facts: Omit<Handover, 'claims' | 'kid'>,
): Record<string, unknown> =>
  handoverMember.write(
    { ...facts, kid, claims: { ...claims, scope: formatScope(claims.scope) } },
    withoutOwnMembers(cf),
  );

/** `undefined` where the request did not come from the gate. */
export const readHandover = (cf: unknown): Handover | undefined => handoverMember.read(cf);

/**
 * A request without a ticket that the gate has let in: by a callback, or of the worker's own code. It opens no session, and
 * its answer is held until it is whole.
 */
const TicketlessCall = z.strictObject({
  agent: AgentSlug,
  instance: InstanceName,
  /** `callback:<name>` or `worker:<name>`. */
  principal: PrincipalId,
  role: Role,
  scope: z.array(z.union([Scope, CallbackScope])),
  /** Of a callback. */
  callback: z
    .strictObject({
      /** Of the token in its URL. */
      id: CallbackId.optional(),
      /** The sender that the app's own verification found. */
      sender: PrincipalId.optional(),
      /** Digest of the browser's cookie, which its `state` names. */
      browser: z.string().optional(),
      /** Digest of the delivery, which is handled once. */
      once: z.string().optional(),
    })
    .optional(),
  requestId: z.string(),
  ipAddress: z.string().nullable(),
  userAgent: z.string().nullable(),
});
export type TicketlessCall = z.output<typeof TicketlessCall>;

const ticketlessMember = cfMember('Call', TicketlessCall);

/** The `cf` that goes to the object, in place of the one from outside. */
export const writeTicketless = (cf: object | undefined, call: TicketlessCall): Record<string, unknown> =>
  ticketlessMember.write(call, withoutOwnMembers(cf));

/** `undefined` for another request, and for one that did not come from the gate. */
export const readTicketless = (cf: unknown): TicketlessCall | undefined => ticketlessMember.read(cf);

/** The names of every target that would hit a call. */
export const targetNamesOfTicketless = ({
  agent,
  instance,
  principal,
  callback,
}: Pick<TicketlessCall, 'agent' | 'instance' | 'principal' | 'callback'>): string[] =>
  targetNamesOfCall(
    { agent, instance },
    [principal, callback?.sender].filter((party) => party !== undefined),
    callback?.id,
  );

const [revoke, destroy, lapse] = ControlCommand.options;
/** A command of the broker that the worker has verified, for one object. */
export const ObjectCommand = z.discriminatedUnion('op', [revoke, destroy, lapse]);
export type ObjectCommand = z.infer<typeof ObjectCommand>;

export const CommandAnswer = z.strictObject({
  /** Sockets and streams closed. */
  closed: z.int().nonnegative(),
  /** Of `lapse`: whether the grant was ever used in this object. */
  opened: z.boolean().optional(),
});
export type CommandAnswer = z.infer<typeof CommandAnswer>;

/** Sessions that the record database has as open; the object answers which of them are. */
export const SessionQuestion = z.strictObject({ sessions: z.array(SessionId) });
export type SessionQuestion = z.infer<typeof SessionQuestion>;

/** The object does not know the sessions that it does not name. */
export const SessionAnswer = z.strictObject({
  open: z.array(z.string()),
  ended: z.array(z.strictObject({ id: z.string(), at: z.int(), reason: z.string() })),
});
export type SessionAnswer = z.infer<typeof SessionAnswer>;

const commandMember = cfMember('Command', ObjectCommand);
const questionMember = cfMember('Sessions', SessionQuestion);

/** Address and method carry no meaning. */
const requestWith = (cf: Record<string, unknown>): Request =>
  new Request('https://object.invalid/', { method: 'POST', cf });

export const commandRequest = (command: ObjectCommand): Request => requestWith(commandMember.write(command));
export const questionRequest = (question: SessionQuestion): Request =>
  requestWith(questionMember.write(question));

/** `undefined` where the request did not come from the worker's control route. */
export const readCommand = (cf: unknown): ObjectCommand | undefined => commandMember.read(cf);
export const readQuestion = (cf: unknown): SessionQuestion | undefined => questionMember.read(cf);

/**
 * One step of a session of MCP, sent by the object that has admitted its caller to the object of that session: a request
 * of the SDK's transport, a message of the older one, or the end.
 */
const McpStep = z.discriminatedUnion('op', [
  z.strictObject({
    op: z.enum(['connect', 'message']),
    agent: AgentSlug,
    name: z.string(),
    claims: TicketClaims,
  }),
  z.strictObject({ op: z.literal('end'), agent: AgentSlug, name: z.string() }),
]);
export type McpStep = z.output<typeof McpStep>;

const mcpMember = cfMember('Mcp', McpStep);

/** The request with a step beside it. */
export const mcpRequest = (request: Request, step: McpStep): Request =>
  new Request(request, {
    cf: mcpMember.write(
      step.op === 'end'
        ? step
        : { ...step, claims: { ...step.claims, scope: formatScope(step.claims.scope) } },
    ),
  });

/** `undefined` where the request did not come from an object of the same class. */
export const readMcpStep = (cf: unknown): McpStep | undefined => mcpMember.read(cf);

/** Carries the reason of an object's refusal to the gate, which decides what the client sees of it. */
const DENIAL_HEADER = 'x-agent-ticket-denial';

export const denialAnswer = (denial: Denial): Response =>
  new Response(null, { status: 403, headers: { [DENIAL_HEADER]: denial.reason } });

/** The refusal in an object's answer, if it is one. */
export function denialOf(answer: Response): Denial | undefined {
  const reason = answer.headers.get(DENIAL_HEADER);
  return reason !== null && isReason(reason) ? { reason } : undefined;
}

const isReason = (text: string): text is DenialReason => Object.hasOwn(DENIALS, text);

export const isUpgrade = (headers: Headers): boolean => headers.get('upgrade')?.toLowerCase() === 'websocket';

/** Whether a member of a Worker's env is a Durable Object binding. */
export const isNamespace = (value: unknown): value is DurableObjectNamespace =>
  typeof value === 'object' && value !== null && 'idFromName' in value;

/** The binding of an agent; `undefined` where it has none. */
export function findNamespace(env: object, slug: string): DurableObjectNamespace | undefined {
  return bindingNamesOf(slug)
    .map((name): unknown => (Object.hasOwn(env, name) ? Reflect.get(env, name) : undefined))
    .find(isNamespace);
}

/** The object of an agent's instance; `undefined` where the agent has no binding. Creates nothing by itself. */
export const findObject = (env: object, slug: string, instance: string): DurableObjectStub | undefined =>
  findNamespace(env, slug)?.getByName(instance);

/**
 * Whether an agent and instance name this very object: the id that the agent's binding gives the instance is ours. Holds
 * even if the gate in front used the wrong binding, or other code of the worker called with the claims of a caller.
 */
export const isDestination = (
  at: { readonly agent: string; readonly instance: string },
  env: object,
  id: DurableObjectId,
): boolean => findNamespace(env, at.agent)?.idFromName(at.instance).equals(id) === true;

/** Sends one object a command; rejects when the object does not answer. */
export async function sendCommand(
  env: object,
  agent: string,
  instance: string,
  command: ObjectCommand,
): Promise<CommandAnswer> {
  const object = findObject(env, agent, instance);
  // Of an agent without a binding nothing is open, and only of `lapse` that is no answer.
  if (object === undefined && command.op !== 'lapse') return { closed: 0 };
  if (object === undefined) throw new Error(noBinding(agent));
  return CommandAnswer.parse(await (await object.fetch(commandRequest(command))).json());
}
