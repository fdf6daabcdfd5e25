import { compactVerify, errors } from 'jose';
import * as z from 'zod';
import { isCanonicalCompact, readJwsHeader } from './compact-jws.ts';
import { CLOCK_SKEW_SECONDS } from './limits.ts';
import { AgentSlug, InstanceName, KeyId, PrincipalId, SessionId } from './names.ts';
import { allow, deny, type Outcome } from './outcome.ts';
import { readStrictJson } from './strict-json.ts';
import { TicketAlgorithm } from './ticket.ts';
import type { FindKey } from './verify-ticket.ts';

/** How the broker tells the agent worker to end sockets. Signed by the ticket keys, told apart by type and audience. */
export const CONTROL_TYPE = 'agent-control+jwt';

/** A command is spoken and done; a captured one is worthless soon after, and repeating it changes nothing. */
export const CONTROL_TTL_SECONDS = 30;

/** Commands name few things; a lock's reason never travels. */
const MAX_BYTES = 4096;

export const controlAudience = (ticketAudience: string): string => `${ticketAudience}/control`;

/** UUIDs are compared as text, and ours are lower case: another spelling of one must not name nothing. */
const LowerUuid = z.uuid().toLowerCase();

/** What sockets, or what future ones, a command or a lock is about. */
export const Target = z.discriminatedUnion('kind', [
  z.strictObject({ kind: z.literal('principal'), id: PrincipalId }),
  z.strictObject({ kind: z.literal('agent'), agent: AgentSlug }),
  z.strictObject({ kind: z.literal('instance'), agent: AgentSlug, instance: InstanceName }),
  z.strictObject({ kind: z.literal('session'), id: LowerUuid.pipe(SessionId) }),
  z.strictObject({ kind: z.literal('service-token'), id: LowerUuid }),
  z.strictObject({ kind: z.literal('key'), kid: KeyId }),
  z.strictObject({ kind: z.literal('everything') }),
]);
export type Target = z.infer<typeof Target>;

/** How each kind of target is spelled. Here and nowhere else. */
const NAMES = {
  principal: (id: string) => `principal:${id}`,
  agent: (agent: string) => `agent:${agent}`,
  instance: (agent: string, instance: string) => `instance:${agent}/${instance}`,
  session: (id: string) => `session:${id}`,
  'service-token': (id: string) => `service-token:${id}`,
  key: (kid: string) => `key:${kid}`,
  everything: () => 'everything:',
} as const satisfies Record<Target['kind'], (...parts: string[]) => string>;

/** A target in its one canonical spelling, by which locks are stored and found. */
export function targetName(target: Target): string {
  switch (target.kind) {
    case 'principal':
    case 'session':
    case 'service-token':
      return NAMES[target.kind](target.id);
    case 'agent':
      return NAMES.agent(target.agent);
    case 'instance':
      return NAMES.instance(target.agent, target.instance);
    case 'key':
      return NAMES.key(target.kid);
    case 'everything':
      return NAMES.everything();
  }
}

/** The target that a name was made from. Throws on a name that {@link targetName} never made. */
export function readTargetName(name: string): Target {
  const colon = name.indexOf(':');
  const [kind, rest] = [name.slice(0, colon), name.slice(colon + 1)];
  const slash = rest.indexOf('/');
  switch (kind) {
    case 'agent':
      return Target.parse({ kind, agent: rest });
    case 'instance':
      return Target.parse({ kind, agent: rest.slice(0, slash), instance: rest.slice(slash + 1) });
    case 'key':
      return Target.parse({ kind, kid: rest });
    case 'everything':
      return Target.parse({ kind });
    default:
      return Target.parse({ kind, id: rest });
  }
}

/** The facts of a session, or of a request for one, that a lock can be about. */
export interface Targetable {
  readonly principal: string;
  /** Who acts for the principal or comes with it: whoever may not act here may not act for somebody else either. */
  readonly actors?: readonly string[] | undefined;
  readonly agent: string;
  readonly instance: string;
  readonly session?: string;
  readonly kid?: string;
}

const SERVICE_TOKEN = /^token:(.+)$/;

/** The names of the targets that are one principal itself: a service token has two. */
export function targetNamesOfPrincipal(principal: string): string[] {
  const token = SERVICE_TOKEN.exec(principal)?.[1];
  return [NAMES.principal(principal), ...(token === undefined ? [] : [NAMES['service-token'](token)])];
}

/** The service token that a target is, by either of its names. */
export const serviceTokenOf = (target: Target): string | undefined => {
  if (target.kind === 'service-token') return target.id;
  return target.kind === 'principal' ? SERVICE_TOKEN.exec(target.id)?.[1] : undefined;
};

/** The names of the targets that are a place, or everything. */
export const targetNamesOfPlace = ({ agent, instance }: Pick<Targetable, 'agent' | 'instance'>): string[] => [
  NAMES.everything(),
  NAMES.agent(agent),
  NAMES.instance(agent, instance),
];

/** The names of every target that would hit this session or request. */
export const targetNamesOf = (hit: Targetable): string[] => [
  ...targetNamesOfPlace(hit),
  ...[hit.principal, ...(hit.actors ?? [])].flatMap(targetNamesOfPrincipal),
  ...(hit.session === undefined ? [] : [NAMES.session(hit.session)]),
  ...(hit.kid === undefined ? [] : [NAMES.key(hit.kid)]),
];

/**
 * `terminate` ends sockets for good (close 4003); `lock` does too and has the named objects refuse new ones until
 * `until`, in ms, or for ever; `unlock` takes that back; `refresh` makes clients come back with a new ticket (close
 * 3000), for rights that changed; `destroy` deletes an instance with everything in it; `reconcile` has the record agree
 * with the objects about which sessions are open.
 */
export const ControlCommand = z.discriminatedUnion('op', [
  z.strictObject({ op: z.literal('terminate'), target: Target }),
  z.strictObject({ op: z.literal('lock'), target: Target, until: z.int().nullable() }),
  z.strictObject({ op: z.literal('unlock'), target: Target }),
  z.strictObject({
    op: z.literal('refresh'),
    /** Narrower than a target: one principal or everyone, on one agent, one instance or all. */
    principal: PrincipalId.optional(),
    agent: AgentSlug,
    instance: InstanceName.optional(),
  }),
  z.strictObject({
    op: z.literal('destroy'),
    target: z.strictObject({ kind: z.literal('instance'), agent: AgentSlug, instance: InstanceName }),
  }),
  z.strictObject({ op: z.literal('reconcile') }),
]);
export type ControlCommand = z.infer<typeof ControlCommand>;

/** What came of a command. Objects that could not be asked stay in the broker's outbox. */
export const Receipt = z.strictObject({
  /** Sockets closed now; by `reconcile`, sessions that the record took for open. */
  closed: z.int().nonnegative(),
  /** Objects that answered. */
  objects: z.int().nonnegative(),
  /** Objects that did not. */
  unreachable: z.int().nonnegative(),
  /**
   * How many objects were not asked yet, in a fan-out over 100; the command is repeated for them. From the broker also 1
   * while nothing is known of any object.
   */
  pending: z.int().nonnegative(),
  ms: z.int().nonnegative(),
});
export type Receipt = z.infer<typeof Receipt>;

const ControlHeader = z.strictObject({ alg: TicketAlgorithm, typ: z.literal(CONTROL_TYPE), kid: KeyId });

export const ControlClaims = z
  .strictObject({
    iss: z.string(),
    aud: z.string(),
    jti: z.uuid(),
    iat: z.int().nonnegative(),
    exp: z.int().nonnegative(),
    cmd: ControlCommand,
    /** Sessions that started after this, in ms, are not touched: a repeated command means what it meant at first, save a lock. */
    before: z.int().nonnegative(),
  })
  .refine((c) => c.exp > c.iat && c.exp - c.iat <= CONTROL_TTL_SECONDS, { path: ['exp'] });
export type ControlClaims = z.infer<typeof ControlClaims>;

export interface ControlExpectations {
  readonly issuer: string;
  readonly ticketAudience: string;
  /** Seconds since 1970. */
  readonly nowSeconds: number;
  readonly findKey: FindKey;
}

/**
 * Verifies a control token as strictly as a ticket: canonical spelling, exact header, pinned algorithm, signature,
 * strict claims, issuer, audience, time. Does NOT check replay: commands are idempotent and touch nothing younger.
 */
export async function verifyControl(
  token: string,
  expected: ControlExpectations,
): Promise<Outcome<ControlClaims>> {
  if (!isCanonicalCompact(token, MAX_BYTES)) return deny('control_invalid', { inside: 'spelling' });
  const header = ControlHeader.safeParse(readJwsHeader(token));
  if (!header.success) return deny('control_invalid', { inside: 'header' });
  const found = await expected.findKey(header.data.kid);
  if (!found.ok) return found;
  if (found.value.alg !== header.data.alg) return deny('control_invalid', { inside: 'alg' });

  const payload = await compactVerify(token, found.value.key, { algorithms: [found.value.alg] }).catch(
    (error: unknown) => {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    },
  );
  if (payload === undefined) return deny('control_invalid', { inside: 'signature' });
  const claims = ControlClaims.safeParse(readStrictJson(payload.payload));
  if (!claims.success) return deny('control_invalid', { inside: 'claims' });
  const { iss, aud, iat, exp } = claims.data;
  const { issuer, ticketAudience, nowSeconds } = expected;
  const current = iat <= nowSeconds + CLOCK_SKEW_SECONDS && nowSeconds < exp + CLOCK_SKEW_SECONDS;
  return iss === issuer && aud === controlAudience(ticketAudience) && current
    ? allow(claims.data)
    : deny('control_invalid', { inside: 'issuer, audience or time' });
}
