import * as z from 'zod';
import { CLOCK_SKEW_SECONDS } from './limits.ts';
import { AgentSlug, InstanceName } from './names.ts';
import { err, type Outcome, ok } from './outcome.ts';
import { type OwnJwsKind, verifyOwnJws } from './own-jws.ts';
import { Revocation } from './revocation.ts';
import type { FindKey } from './verify-ticket.ts';

/** The broker's commands to the agent worker. The ticket keys sign them; type and audience differ from a ticket's. */
export const CONTROL_TYPE = 'agent-control+jwt';

/** A command is executed on arrival. A captured one expires soon, and repeating it changes nothing. */
export const CONTROL_TTL_SECONDS = 30;

/** Commands are short: they name few targets and contain no reason of a lock. */
const MAX_BYTES = 4096;

export const controlAudience = (ticketAudience: string): string => `${ticketAudience}/control`;

const Place = { agent: AgentSlug, instance: InstanceName };

/**
 * `revoke` ends the sessions that a revocation hits and stores the revocation in the objects that it names, or in the one
 * at `at`, where everything is that it hits. `destroy`
 * deletes an instance with all its data. `lapse` asks an object whether a grant was ever used there; if not, the object
 * stores the revocation of that grant. `reconcile` corrects the open sessions of the record by those of the objects.
 * `digest` asks for the digest of the agents that the worker serves.
 * All commands are idempotent and independent of their order.
 */
export const ControlCommand = z.discriminatedUnion('op', [
  z.strictObject({
    op: z.literal('revoke'),
    revocation: Revocation,
    at: z.strictObject(Place).exactOptional(),
  }),
  z.strictObject({ op: z.literal('destroy'), ...Place, revocation: Revocation }),
  z.strictObject({ op: z.literal('lapse'), ...Place, revocation: Revocation }),
  z.strictObject({ op: z.literal('reconcile') }),
  z.strictObject({ op: z.literal('digest') }),
]);
export type ControlCommand = z.infer<typeof ControlCommand>;

/** The answer of the agent worker to a command. Objects that could not be asked stay in the broker's outbox. */
export const Receipt = z.strictObject({
  /** Sockets closed now; by `reconcile`, sessions that the record took for open. */
  closed: z.int().nonnegative(),
  /** Objects that answered. */
  objects: z.int().nonnegative(),
  /** Objects that did not. */
  unreachable: z.int().nonnegative(),
  /**
   * The number of objects that were not asked yet, in a fan-out over 100; the command is repeated for them. The broker
   * returns 1 while it has no receipt of the agent worker.
   */
  pending: z.int().nonnegative(),
  ms: z.int().nonnegative(),
  /** Of `lapse`: whether the grant was used, in which case nothing was revoked. */
  opened: z.boolean().optional(),
  /** Of `digest`: see `registryDigest`. */
  registry: z.string().max(64).optional(),
});
export type Receipt = z.infer<typeof Receipt>;

export const ControlClaims = z
  .strictObject({
    iss: z.string(),
    aud: z.string(),
    jti: z.uuid(),
    iat: z.int().nonnegative(),
    exp: z.int().nonnegative(),
    cmd: ControlCommand,
  })
  .refine((c) => c.exp > c.iat && c.exp - c.iat <= CONTROL_TTL_SECONDS, { path: ['exp'] });
export type ControlClaims = z.infer<typeof ControlClaims>;

const invalid = 'control_invalid' as const;
const CONTROL: OwnJwsKind<ControlClaims> = {
  typ: CONTROL_TYPE,
  maxBytes: MAX_BYTES,
  claims: ControlClaims,
  refusals: { spelling: invalid, header: invalid, signature: invalid, claims: invalid },
};

interface ControlExpectations {
  readonly issuer: string;
  readonly ticketAudience: string;
  /** Seconds since 1970. */
  readonly nowSeconds: number;
  readonly findKey: FindKey;
}

/**
 * Verifies a control token as strictly as a ticket: canonical spelling, exact header, pinned algorithm, signature,
 * strict claims, issuer, audience, time. Does NOT check replay: commands are idempotent.
 */
export async function verifyControl(
  token: string,
  expected: ControlExpectations,
): Promise<Outcome<ControlClaims>> {
  const verified = await verifyOwnJws(token, CONTROL, expected.findKey);
  if (!verified.ok) return verified;
  const { claims } = verified.value;
  const { iss, aud, iat, exp } = claims;
  const { issuer, ticketAudience, nowSeconds } = expected;
  const current = iat <= nowSeconds + CLOCK_SKEW_SECONDS && nowSeconds < exp + CLOCK_SKEW_SECONDS;
  return iss === issuer && aud === controlAudience(ticketAudience) && current
    ? ok(claims)
    : err('control_invalid', { detail: 'issuer, audience or time' });
}
