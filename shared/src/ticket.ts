import * as z from 'zod';
import { TICKET_TTL_SECONDS } from './limits.ts';
import { AgentSlug, InstanceName, PrincipalId, Role, TicketId, Tier, Transport } from './names.ts';
import { ScopeList } from './scope.ts';

/** The exact `typ`. Only we sign and read tickets, so the media-type leniency of RFC 8725 §3.11 is not needed. */
export const TICKET_TYPE = 'agent-ticket+jwt';

/** One algorithm per key; the header must agree with the key, never the other way round. */
export const TICKET_ALGORITHMS = ['ES256', 'Ed25519'] as const;
export const TicketAlgorithm = z.enum(TICKET_ALGORITHMS);
export type TicketAlgorithm = z.infer<typeof TicketAlgorithm>;

/** Seconds since 1970 (RFC 7519 NumericDate), whole: `1e999` and fractions are not dates. */
const NumericDate = z.int().nonnegative();

/** RFC 8693 §4.1: the actors for the subject. A lock of any actor applies to the ticket; they have no other effect. */
export interface Actor {
  sub: PrincipalId;
  act?: Actor | undefined;
}
export const Actor: z.ZodType<Actor> = z.strictObject({
  sub: PrincipalId,
  get act() {
    return Actor.optional();
  },
});

/** Every actor of a chain, the current one first. */
export const actorsOf = (act: Actor | undefined): PrincipalId[] =>
  act === undefined ? [] : [act.sub, ...actorsOf(act.act)];

/** Every claim of a ticket. Unknown claims refuse the ticket, `cnf` among them until a proof protocol exists. */
export const TicketClaims = z
  .strictObject({
    /** The broker. */
    iss: z.string().min(1).max(512),
    /** The one audience: an agent worker's configured name. An array is refused. */
    aud: z.string().min(1).max(512),
    sub: PrincipalId,
    jti: TicketId,
    iat: NumericDate,
    nbf: NumericDate,
    exp: NumericDate,
    agent: AgentSlug,
    instance: InstanceName,
    /** Space-separated; see `scope.ts`. */
    scope: ScopeList,
    /** A label for the agent's own use. Nothing checks it after mint. */
    role: Role,
    tier: Tier,
    transport: Transport,
    /** When the session that this ticket opens ends without a renewal. */
    session_expiry: NumericDate,
    /** The OAuth client that authenticated beside the subject, where one did: a service token of the broker. */
    client_id: z
      .string()
      .regex(/^[\x20-\x7e]{1,256}$/)
      .optional(),
    act: Actor.optional(),
    /** Number of the newest change of policy that the decision took into account; see `revocation.ts`. */
    rev: z.int().nonnegative(),
    /** Id of the stored grant that decided; left out where the agent is open to the principal. */
    grant: z.string().min(1).max(128).optional(),
    /** Opaque id of the browser's sign-in that the credential belongs to. */
    login: z.string().min(1).max(128).optional(),
  })
  .refine((c) => c.exp > c.iat && c.exp - c.iat <= TICKET_TTL_SECONDS.max, { path: ['exp'] })
  .refine((c) => c.nbf <= c.exp, { path: ['nbf'] });
/** Verified shape: `scope` is a list here and a string in the token. */
export type TicketClaims = z.output<typeof TicketClaims>;

/** Every party beside the subject: the actors, and the OAuth client as the service token that it is. */
export const partiesBeside = ({
  act,
  client_id: client,
}: Pick<TicketClaims, 'act' | 'client_id'>): PrincipalId[] => [
  ...actorsOf(act),
  ...(client === undefined ? [] : [PrincipalId.parse(`token:${client}`)]),
];

/** Shape inside the token. */
export type TicketPayload = z.input<typeof TicketClaims>;
