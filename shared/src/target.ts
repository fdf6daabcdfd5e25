import * as z from 'zod';
import { VALUES } from './describe-values.ts';
import { AgentSlug, CallbackId, InstanceName, KeyId, PrincipalId, SessionId, TicketId } from './names.ts';
import { partiesBeside, type TicketClaims } from './ticket.ts';

/** Reads UUIDs in lower case: targets are compared as text, and another spelling would match no row. */
const LowerUuid = z.uuid().toLowerCase();

/** The one name of a service token: its `client_id`. Its principal is `token:` and this. */
export const ServiceTokenId = z
  .string()
  .regex(/^svc_[0-9A-Za-z]{22}$/)
  .meta({ [VALUES]: 'a client id, svc_ and 22 letters and digits' });

const TOKEN_PRINCIPAL = /^token:(svc_[0-9A-Za-z]{22})$/;

/** What an operator may lock. A service token named by its principal is the same target as the token. */
export const LockTarget = z
  .discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('principal'), id: PrincipalId }),
    z.strictObject({ kind: z.literal('agent'), agent: AgentSlug }),
    z.strictObject({ kind: z.literal('instance'), agent: AgentSlug, instance: InstanceName }),
    z.strictObject({ kind: z.literal('session'), id: LowerUuid.pipe(SessionId) }),
    z.strictObject({ kind: z.literal('service-token'), id: ServiceTokenId }),
    z.strictObject({ kind: z.literal('key'), kid: KeyId }),
    z.strictObject({ kind: z.literal('ticket'), jti: LowerUuid.pipe(TicketId) }),
    z.strictObject({ kind: z.literal('callback'), id: LowerUuid.pipe(CallbackId) }),
    z.strictObject({ kind: z.literal('everything') }),
  ])
  .transform((target) => {
    const token = target.kind === 'principal' ? TOKEN_PRINCIPAL.exec(target.id)?.[1] : undefined;
    return token === undefined ? target : { kind: 'service-token' as const, id: token };
  })
  .meta({
    [VALUES]:
      'an object whose kind is one of principal, agent, instance, session, service-token, key, ticket, callback, everything',
  });
export type LockTarget = z.output<typeof LockTarget>;

/** The targets of revocations: those of locks, and the rows and keys on which a ticket depends. */
export type Target =
  | LockTarget
  /** The stored grant that decided. */
  | { readonly kind: 'grant'; readonly id: string }
  /** The sign-in of a browser. */
  | { readonly kind: 'login'; readonly id: string }
  /** The network address that a session was opened from. No ticket names one, so that it hits sessions only. */
  | { readonly kind: 'address'; readonly address: string };

/** A target in its one canonical spelling, `<kind>:<name>`, by which revocations are stored and found. */
export function targetName(target: Target): string {
  switch (target.kind) {
    case 'principal':
    case 'session':
    case 'service-token':
    case 'callback':
    case 'grant':
    case 'login':
      return `${target.kind}:${target.id}`;
    case 'agent':
      return `agent:${target.agent}`;
    case 'instance':
      return `instance:${target.agent}/${target.instance}`;
    case 'key':
      return `key:${target.kid}`;
    case 'ticket':
      return `ticket:${target.jti}`;
    case 'address':
      return `address:${target.address}`;
    case 'everything':
      return 'everything:';
  }
}

/** The target that a name was made from. Throws on a name that {@link targetName} never made. */
export function readTargetName(name: string): Target {
  const target = parseTargetName(name);
  // Another spelling would be stored and match no ticket: `instance:` without a slash, a service token as a principal.
  z.literal(name).parse(targetName(target));
  return target;
}

function parseTargetName(name: string): Target {
  const colon = name.indexOf(':');
  const [kind, rest] = [name.slice(0, colon), name.slice(colon + 1)];
  const slash = rest.indexOf('/');
  switch (kind) {
    case 'agent':
      return LockTarget.parse({ kind, agent: rest });
    case 'instance':
      return LockTarget.parse({ kind, agent: rest.slice(0, slash), instance: rest.slice(slash + 1) });
    case 'key':
      return LockTarget.parse({ kind, kid: rest });
    case 'everything':
      return LockTarget.parse({ kind });
    case 'grant':
    case 'login':
      return { kind, id: z.string().min(1).max(128).parse(rest) };
    case 'ticket':
      return LockTarget.parse({ kind, jti: rest });
    case 'address':
      return { kind, address: z.union([z.ipv4(), z.ipv6()]).parse(rest) };
    default:
      return LockTarget.parse({ kind, id: rest });
  }
}

/** The name of the target that is one party itself. A service token that came as an OAuth client is the token. */
export function targetNameOfParty(id: PrincipalId): string {
  const token = TOKEN_PRINCIPAL.exec(id)?.[1];
  return token === undefined ? `principal:${id}` : `service-token:${token}`;
}

/** Target names of an agent, of its instance and of everything. */
export const targetNamesOfInstance = (at: {
  readonly agent: string;
  readonly instance: string;
}): string[] => ['everything:', `agent:${at.agent}`, `instance:${at.agent}/${at.instance}`];

/** The names of every target that would hit a request without a ticket: of its place, its parties and its callback's URL. */
export const targetNamesOfCall = (
  at: { readonly agent: string; readonly instance: string },
  parties: readonly PrincipalId[],
  callback: CallbackId | undefined,
): string[] => [
  ...targetNamesOfInstance(at),
  ...parties.map(targetNameOfParty),
  ...(callback === undefined ? [] : [targetName({ kind: 'callback', id: callback })]),
];

/** A verified ticket, and the session that has its rights where there is one. */
interface RevocableTicket {
  readonly claims: TicketClaims;
  readonly kid: string;
  readonly session?: {
    readonly id: string;
    /** The `jti` of the ticket that opened it; its rights may be those of a renewal. */
    readonly ticket: string;
    /** From where it was opened. */
    readonly ipAddress?: string | null;
  };
}

/** The names of every target that would hit this ticket or session, each party to it included. */
export const targetNamesOf = ({ claims, kid, session }: RevocableTicket): string[] => [
  ...targetNamesOfInstance(claims),
  ...[claims.sub, ...partiesBeside(claims)].map(targetNameOfParty),
  `key:${kid}`,
  `ticket:${claims.jti}`,
  ...(claims.grant === undefined ? [] : [`grant:${claims.grant}`]),
  ...(claims.login === undefined ? [] : [`login:${claims.login}`]),
  ...(session === undefined ? [] : [`session:${session.id}`]),
  ...(session === undefined || session.ticket === claims.jti ? [] : [`ticket:${session.ticket}`]),
  ...(session?.ipAddress == null ? [] : [`address:${session.ipAddress}`]),
];
