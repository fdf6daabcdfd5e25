import { CLOSES, DENIALS, type DenialReason, ERROR_CODES } from '@agent-ticket/shared/denial.ts';
import { TICKET_MAX_BYTES, TICKET_TTL_SECONDS } from '@agent-ticket/shared/limits.ts';
import type { Role } from '@agent-ticket/shared/names.ts';
import { type AgentRegistry, findAgent, roleScopes } from '@agent-ticket/shared/registry.ts';
import { formatScope } from '@agent-ticket/shared/scope.ts';
import { makeSigner, PAYLOAD, type Signer, signTicket } from '@agent-ticket/shared/test/tickets.ts';

/** A broker for tests: real keys, and tickets of any shape. For the tests of an app, in workerd and on Node. */

export { makeSigner, type Signer };

export interface TestIssuerOptions {
  /** As the worker's `ISSUER`. */
  readonly issuer: string;
  /** As the worker's `TICKET_AUDIENCE`. */
  readonly audience: string;
  /** The worker's registry, for the scopes of each role. */
  readonly agents: AgentRegistry;
  /** The published keys, the first of which signs; left out: one new ES256 key. */
  readonly signers?: readonly [Signer, ...Signer[]];
  /** Milliseconds since 1970; left out: `Date.now()`, so that fake timers apply. */
  readonly clock?: () => number;
}

/** Claims that differ from those of a good ticket. `undefined` leaves one out, and unknown ones are signed as they are. */
export interface TicketShape {
  readonly agent?: unknown;
  readonly instance?: unknown;
  /** Left out: `viewer`. Decides the `scope` that is left out. */
  readonly role?: Role | undefined;
  readonly [claim: string]: unknown;
}

/** How a ticket is signed where it differs: members of the header, and another key. */
export interface Signing {
  readonly header?: object;
  readonly by?: Signer;
}

export interface TestIssuer {
  /** A ticket that is issued now, for a minute. */
  ticket(claims?: TicketShape, signing?: Signing): Promise<string>;
  /** A ticket with one fault, and otherwise as {@link ticket} makes it. */
  faulty(fault: TicketFault, claims?: TicketShape): Promise<string>;
  /** Answers as the broker does where its keys are, and 404 elsewhere: for the binding `BROKER`, or an HTTP server. */
  fetch(request: Request): Response;
}

type Make = (
  issuer: Pick<TestIssuer, 'ticket'>,
  claims: TicketShape,
  now: { readonly seconds: number; readonly published: Signer; readonly stranger: Signer },
) => string | Promise<string>;

/** A minute of life that ends so many seconds after now. */
const endingAt = (exp: number) => ({ iat: exp - 60, nbf: exp - 60, exp });
const claimed =
  (other: TicketShape): Make =>
  (issuer, claims) =>
    issuer.ticket({ ...claims, ...other });
const headed =
  (header: object): Make =>
  (issuer, claims) =>
    issuer.ticket(claims, { header });

/** Each fault with the reason that the gate logs, and how it is made. */
const FAULTS = [
  ['no_jwt', 'ticket_malformed', () => 'garbage'],
  ['too_long', 'ticket_malformed', () => `${'A'.repeat(TICKET_MAX_BYTES)}.A.A`],
  ['padded', 'ticket_malformed', async (issuer, claims) => `${await issuer.ticket(claims)}==`],
  ['unsigned', 'ticket_header_invalid', headed({ alg: 'none' })],
  ['other_type', 'ticket_header_invalid', headed({ typ: 'JWT' })],
  [
    'key_in_header',
    'ticket_header_invalid',
    (issuer, claims, { stranger }) => issuer.ticket(claims, { by: stranger, header: { jwk: stranger.jwk } }),
  ],
  [
    'other_algorithm',
    'ticket_header_invalid',
    (issuer, claims, { published }) =>
      issuer.ticket(claims, { header: { alg: published.alg === 'ES256' ? 'Ed25519' : 'ES256' } }),
  ],
  [
    'unknown_key',
    'ticket_key_unknown',
    (issuer, claims, { stranger }) => issuer.ticket(claims, { by: stranger }),
  ],
  [
    'forged',
    'ticket_signature_invalid',
    (issuer, claims, { stranger, published }) =>
      issuer.ticket(claims, { by: stranger, header: { kid: published.kid, alg: published.alg } }),
  ],
  [
    'altered',
    'ticket_signature_invalid',
    async (issuer, claims) => {
      const [header, , signature] = (await issuer.ticket(claims)).split('.');
      const [, payload] = (await issuer.ticket({ ...claims, role: 'owner' })).split('.');
      return `${header}.${payload}.${signature}`;
    },
  ],
  ['claim_missing', 'ticket_claims_invalid', claimed({ tier: undefined })],
  ['claim_unknown', 'ticket_claims_invalid', claimed({ cnf: { jkt: 'x' } })],
  ['two_audiences', 'ticket_claims_invalid', claimed({ aud: ['agents.example', 'other.example'] })],
  [
    'long_lived',
    'ticket_claims_invalid',
    (issuer, claims, { seconds }) => issuer.ticket({ ...claims, exp: seconds + TICKET_TTL_SECONDS.max + 1 }),
  ],
  ['other_issuer', 'ticket_issuer_wrong', claimed({ iss: 'https://other-broker.example' })],
  ['other_audience', 'ticket_audience_wrong', claimed({ aud: 'other-agents.example' })],
  [
    'not_yet_valid',
    'ticket_not_yet_valid',
    (issuer, claims, { seconds }) => issuer.ticket({ ...claims, ...endingAt(seconds + 90) }),
  ],
  [
    'expired',
    'ticket_expired',
    (issuer, claims, { seconds }) => issuer.ticket({ ...claims, ...endingAt(seconds - 30) }),
  ],
  [
    'long_expired',
    'ticket_long_expired',
    (issuer, claims, { seconds }) => issuer.ticket({ ...claims, ...endingAt(seconds - 3600) }),
  ],
  ['other_agent', 'ticket_agent_wrong', claimed({ agent: 'other-agent' })],
  ['other_instance', 'ticket_instance_wrong', claimed({ instance: 'other-instance' })],
  /** Of a socket; a plain request may be made with a ticket of either transport. */
  ['other_transport', 'ticket_transport_wrong', claimed({ transport: 'http' })],
  ['scope_missing', 'ticket_scope_missing', claimed({ scope: 'agent:state:write' })],
] as const satisfies readonly (readonly [fault: string, reason: DenialReason, make: Make])[];

export type TicketFault = (typeof FAULTS)[number][0];

/** What a refusal looks like from outside, and its reason in the worker's log. */
export interface Refusal {
  readonly fault: TicketFault;
  readonly reason: DenialReason;
  /** Of a socket, which is accepted and closed at once. */
  readonly close: { readonly code: number; readonly reason: string };
  /** Of a plain request. */
  readonly status: number;
}

/** Everything that can be wrong with one ticket, for `it.each`. Replay needs a good one, presented twice. */
export const TICKET_FAULTS: readonly Refusal[] = FAULTS.map(([fault, reason]) => {
  const { code, close } = DENIALS[reason];
  return {
    fault,
    reason,
    close: { code: CLOSES[close].code, reason: close },
    status: ERROR_CODES[code].status,
  };
});

export async function createTestIssuer(options: TestIssuerOptions): Promise<TestIssuer> {
  const { issuer, audience, agents, clock = () => Date.now() } = options;
  const signers = options.signers ?? [await makeSigner('ES256')];
  const [published] = signers;
  const stranger = await makeSigner('ES256');
  const nowSeconds = () => Math.floor(clock() / 1000);

  /** What a role may do with an agent; of an agent that the registry lacks, as with that of the plain payload. */
  const rightsOf = ({ agent, role = 'viewer' }: TicketShape) => {
    const entry = typeof agent === 'string' ? findAgent(agents, agent) : undefined;
    return { role, ...(entry !== undefined && { scope: formatScope(roleScopes(entry, role)) }) };
  };

  const made: Pick<TestIssuer, 'ticket'> = {
    ticket: (claims = {}, { by = published, header = {} } = {}) => {
      const iat = nowSeconds();
      const life = { iat, nbf: iat, exp: iat + 60, session_expiry: iat + 3600 };
      const good = { iss: issuer, aud: audience, jti: crypto.randomUUID(), ...life };
      return signTicket(by, { ...good, ...rightsOf({ agent: PAYLOAD.agent, ...claims }), ...claims }, header);
    },
  };
  return {
    ...made,
    faulty: async (fault, claims = {}) => {
      const make = FAULTS.find(([name]) => name === fault)?.[2];
      if (make === undefined) throw new TypeError(`no fault ${fault}`);
      return make(made, claims, { seconds: nowSeconds(), published, stranger });
    },
    fetch: (request) =>
      new URL(request.url).pathname === '/.well-known/jwks.json'
        ? Response.json({ keys: signers.map(({ jwk }) => jwk) })
        : new Response('Not found', { status: 404 }),
  };
}
