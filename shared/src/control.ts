import { compactVerify, errors } from 'jose';
import * as z from 'zod';
import { isCanonicalCompact, readJwsHeader } from './compact-jws.ts';
import { CLOCK_SKEW_SECONDS } from './limits.ts';
import { AgentSlug, InstanceName, KeyId, PrincipalId } from './names.ts';
import { err, type Outcome, ok } from './outcome.ts';
import { readStrictJson } from './strict-json.ts';
import { Target } from './target.ts';
import { TicketAlgorithm } from './ticket.ts';
import type { FindKey } from './verify-ticket.ts';

/** How the broker tells the agent worker to end sockets. Signed by the ticket keys, told apart by type and audience. */
export const CONTROL_TYPE = 'agent-control+jwt';

/** A command is spoken and done; a captured one is worthless soon after, and repeating it changes nothing. */
export const CONTROL_TTL_SECONDS = 30;

/** Commands name few things; a lock's reason never travels. */
const MAX_BYTES = 4096;

export const controlAudience = (ticketAudience: string): string => `${ticketAudience}/control`;

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
  if (!isCanonicalCompact(token, MAX_BYTES)) return err('control_invalid', { detail: 'spelling' });
  const header = ControlHeader.safeParse(readJwsHeader(token));
  if (!header.success) return err('control_invalid', { detail: 'header' });
  const found = await expected.findKey(header.data.kid);
  if (!found.ok) return found;
  if (found.value.alg !== header.data.alg) return err('control_invalid', { detail: 'alg' });

  const payload = await compactVerify(token, found.value.key, { algorithms: [found.value.alg] }).catch(
    (error: unknown) => {
      if (error instanceof errors.JOSEError) return undefined;
      throw error;
    },
  );
  if (payload === undefined) return err('control_invalid', { detail: 'signature' });
  const claims = ControlClaims.safeParse(readStrictJson(payload.payload));
  if (!claims.success) return err('control_invalid', { detail: 'claims' });
  const { iss, aud, iat, exp } = claims.data;
  const { issuer, ticketAudience, nowSeconds } = expected;
  const current = iat <= nowSeconds + CLOCK_SKEW_SECONDS && nowSeconds < exp + CLOCK_SKEW_SECONDS;
  return iss === issuer && aud === controlAudience(ticketAudience) && current
    ? ok(claims.data)
    : err('control_invalid', { detail: 'issuer, audience or time' });
}
