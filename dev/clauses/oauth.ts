import { type Clause, deviates, none, yes } from './clause.ts';

const EXCHANGE = 'broker/test/node/token/exchange.test.ts';
const CLIENT = 'broker/test/node/token/client-credentials.test.ts';
const STATUS = 'broker/test/node/token/ticket-status.test.ts';
const STOCK = 'broker/test/node/token/stock-client.test.ts';
const METADATA = 'agent-worker/test/resource-metadata.test.ts';
const KIT = 'dev/e2e/conformance.test.ts';
const PASSES = 'the stack passes every check of the kit, and none is skipped';
const SIGN_IN = 'broker/test/node/auth0-session/sign-in.test.ts';

/** RFC 9700, best practice for OAuth 2.0. */
export const RFC_9700: readonly Clause[] = [
  yes(
    '§2.1',
    'exact redirect addresses, no open redirector',
    'return addresses are of listed origins; callbacks are compared as text',
    [SIGN_IN, 'refuses to return to %j'],
    [SIGN_IN, 'refuses a callback %s'],
  ),
  yes('§2.1.1', 'PKCE and protection against CSRF', 'state, nonce and PKCE S256 in each sign-in', [
    SIGN_IN,
    'goes to the tenant with state, nonce and PKCE',
  ]),
  none('§2.1.2', 'no implicit grant', 'the broker has no authorization endpoint'),
  deviates(
    '§2.2.1',
    'access tokens are sender-constrained',
    'a ticket is not bound to a key; it opens one session, and is valid for a minute',
    [
      'dev/e2e/race.test.ts',
      'of a hundred concurrent sockets with one ticket one opens, and the others get a close that asks for a new ticket',
    ],
  ),
  none('§2.2.2', 'refresh tokens are constrained or rotate', 'the broker has no refresh tokens'),
  yes(
    '§2.3',
    'tokens are restricted to an audience and to few privileges',
    'a ticket is for one instance, and its scope can only narrow',
    [CLIENT, 'gets less than its role allows when it asks for less'],
    ['shared/src/verify-ticket.test.ts', 'a route to the instance %j is not the one of the ticket'],
  ),
  yes('§2.4', 'no password grant', 'the broker supports two other grant types only', [KIT, PASSES]),
  yes(
    '§2.5',
    'clients authenticate',
    'a service token authenticates by Basic or in the form; a public client gets no rights',
    [CLIENT, 'a client that authenticates %s gets a ticket'],
    [EXCHANGE, 'refuses a client that fails to authenticate, whatever the subject'],
  ),
  yes(
    '§2.6',
    'metadata are published; requests over TLS',
    'plain HTTP is refused, except on loopback',
    [STOCK, 'finds the token endpoint by the metadata of RFC 8414'],
    ['broker/test/http.test.ts', 'a request without TLS is refused, but for those of probes'],
  ),
  deviates(
    '§4.3.2',
    'no access token in a query',
    'a browser has no other way if its client library allows no subprotocol. The first use uses the ticket up, the gate removes the ticket before the agent sees the address, and an agent may exclude the query',
    ['agent-worker/test/admission.test.ts', 'by %s leaves nothing of itself with the agent'],
    ['agent-worker/test/gate-tickets.test.ts', 'in the query of a plain request is dropped unread'],
  ),
  yes(
    '§4.10',
    'a stolen token is of little use',
    'replay is refused and recorded; a revocation ends the session that the token opened',
    ['agent-worker/test/admission.test.ts', 'is closed 3000 the second time, by %s'],
    [STATUS, 'stores one row, writes one event and commands the instance of the ticket'],
  ),
  yes('§4.11', 'no open redirection', 'a sign-out from a link of another site asks the person first', [
    SIGN_IN,
    'refuses to return to a sign-out of the broker by its other name',
  ]),
  yes(
    '§4.15',
    'a client is not confused with a subject',
    'principals are named by issuer and subject, services as `token:<id>`',
    ['broker/test/access.test.ts', 'names a person by issuer and subject, whatever the address'],
  ),
  yes(
    '§2.6',
    'only listed origins can read answers',
    'the list is exact, and an answer repeats no origin of a request',
    ['broker/test/cors.test.ts', 'from %s gets no permission, in a preflight or in an answer'],
  ),
];

/** RFC 8693, token exchange. */
export const RFC_8693: readonly Clause[] = [
  yes(
    '§2.1',
    'a form with grant type, subject token and its type',
    'each is required',
    [EXCHANGE, 'a subject token that %s is invalid_request (RFC 8693 §2.2.2)'],
    [EXCHANGE, 'turns an Auth0 access token, declared as %s, into a ticket'],
  ),
  yes(
    '§2.1',
    'a token is validated by the rules of its declared type',
    'an ID token is not accepted as an access token, and the declared type must be the real type',
    [EXCHANGE, 'a subject token that %s is invalid_request (RFC 8693 §2.2.2)'],
    ['broker/test/node/workload/tokens.test.ts', 'no platform is an access token'],
  ),
  yes(
    '§2.1',
    'resource and audience name the target',
    'one resource, compared as text; the audience is optional, and must be that of the agent worker',
    [CLIENT, 'the instance may be named %s'],
    [CLIENT, 'for two resources'],
  ),
  deviates(
    '§2.2.1',
    'the type of a token that is no access token is N_A',
    'the type is `Bearer`: the gate accepts a ticket as a bearer token, and stock clients refuse `N_A`',
    [STOCK, 'exchanges an access token for a ticket'],
  ),
  yes(
    '§2.2.2',
    'a bad subject or actor token is invalid_request',
    'every invalid token gets this error, and no part of the token is in the log',
    [EXCHANGE, 'a subject token that %s is invalid_request (RFC 8693 §2.2.2)'],
    [EXCHANGE, 'logs a subject token that failed, without a byte of it'],
  ),
  yes(
    '§4.1',
    'act names the actor; nested actors are only information',
    'the ticket keeps the chain; a lock of any actor in it applies',
    [EXCHANGE, 'names the actor in act, while the subject stays'],
    [EXCHANGE, 'puts a new actor in front of those that the subject’s token has'],
    [EXCHANGE, 'a locked actor acts for nobody'],
  ),
  yes(
    '§4.3',
    'client_id is the client of the exchange',
    'the ticket names only a client that authenticated',
    [EXCHANGE, 'records a client that authenticated, in the ticket and in the audit log'],
    [EXCHANGE, 'takes a public client’s id and records none'],
  ),
  yes(
    '§4.4',
    'may_act restricts who acts',
    'it must name the actor, and may have no unknown member',
    [EXCHANGE, 'a may_act that %s'],
    [EXCHANGE, 'a may_act has no effect on a subject that acts for itself'],
  ),
  yes(
    '§5',
    'delegation does not widen rights',
    'a ticket ends when the first of the tokens ends, and has only rights that both client and subject have',
    [EXCHANGE, 'lasts no longer than the shorter of both tokens'],
    [EXCHANGE, 'gives nothing that the client beside the subject is not allowed'],
  ),
];

/** RFC 7009, revocation. */
export const RFC_7009: readonly Clause[] = [
  yes(
    '§2',
    'POST over TLS, by an authenticated client',
    'a request without a credential gets a 401',
    [STATUS, '%s may read and revoke a ticket'],
    [KIT, PASSES],
  ),
  yes(
    '§2.1',
    'the token was issued to the client',
    'the caller may also be its subject, or have the permission for its agent',
    [STATUS, '%s may read and revoke a ticket'],
    [STATUS, 'either permission by itself: reading is no revoking'],
  ),
  yes('§2.1', 'a wrong hint changes nothing', 'hints are ignored', [
    STATUS,
    'ignores a hint of the type, known or not, and parameters that it does not know',
  ]),
  yes(
    '§2.1',
    'everything that is based on the token ends',
    'the session that it opened ends, also after a renewal',
    [STATUS, 'stores one row, writes one event and commands the instance of the ticket'],
    [KIT, PASSES],
  ),
  yes('§2.2', 'an unknown token is answered by 200', 'the answer has no body, as for every other token', [
    KIT,
    PASSES,
  ]),
  yes('§2.2.1', 'a temporary failure is a 503 with a time', 'the client retries after that time', [
    STATUS,
    '%s is a 503 with a time',
  ]),
  none('§2.3', 'JSONP', 'not supported; the broker supports CORS'),
  yes(
    '§5',
    'revocation cannot be used to flood or to guess',
    'a call costs 4 units; a second one of the same ticket changes nothing',
    [STATUS, 'calls beyond the limit of the tier, valid tickets or not'],
    [STATUS, 'of one ticket, however often and however many at once, is one row, one event and one command'],
  ),
];

/** RFC 7662, introspection. */
export const RFC_7662: readonly Clause[] = [
  yes(
    '§2.1',
    'POST, by an authorized caller',
    'a GET is 405, and nobody asks without a credential',
    [KIT, PASSES],
    [STATUS, '%s may read and revoke a ticket'],
  ),
  yes(
    '§2.2',
    'an active token with its claims',
    'the answer has actors and client, and no internal number of the broker',
    [STATUS, 'has the claims of an active ticket, and nothing that is a matter of the broker alone'],
    [STATUS, 'shows the client and the actors'],
  ),
  yes(
    '§2.2',
    'an inactive token is active: false and no more',
    'the answer is the same for a ticket of another principal, a foreign token and an invalid text',
    [KIT, PASSES],
    [STATUS, 'a ticket for an agent worker that is not configured any more is unknown'],
  ),
  yes(
    '§4',
    'introspection makes all checks of a protected resource',
    'signature, time, audience, registry, revocations',
    [STATUS, 'is active up to the end of the ticket and not from then on'],
    [STATUS, 'is not active once %s'],
  ),
  deviates(
    '§4',
    'the answer says whether the token can be used',
    'only the object of a ticket knows whether it was used, so introspection does not replace the check for single use',
    ['agent-worker/test/admission.test.ts', 'stays used when its session is over'],
  ),
];

/** RFC 8414, metadata of the authorization server. */
export const RFC_8414: readonly Clause[] = [
  yes(
    '§2',
    'issuer, endpoints, methods',
    'all are below the issuer',
    [STOCK, '%s has all its addresses below it'],
    [KIT, PASSES],
  ),
  deviates(
    '§2',
    'an authorization endpoint only where a grant uses one',
    'the metadata name an endpoint whose address is a 404: MCP clients accept no metadata without one',
    [KIT, PASSES],
  ),
  yes('§3.1', 'the well-known part comes before the path', 'also for an issuer with a path', [
    STOCK,
    'may have its path taken off on the way',
  ]),
  yes(
    '§3.3',
    'the issuer is the one that was asked for',
    'it comes from settings, never from Host',
    [KIT, PASSES],
    ['broker/src/config/config.test.ts', 'with an issuer that is no address names it in development too'],
  ),
];

/** RFC 9728, metadata of a protected resource. */
export const RFC_9728: readonly Clause[] = [
  yes('§2', 'resource and authorization servers', 'for agents with the transport sse', [
    METADATA,
    'the resource with the path “%s” names itself and its broker',
  ]),
  yes(
    '§3.1',
    'the well-known part comes before the path of the resource',
    'each instance has metadata of its own',
    [METADATA, 'the resource with the path “%s” names itself and its broker'],
    [METADATA, 'there is none for %s'],
  ),
  yes('§3.3', 'the resource is the one that was asked for', 'its origin is a setting', [
    METADATA,
    'a wrong Host names nothing where the origin is configured',
  ]),
  yes(
    '§5.1',
    'a 401 names the metadata',
    'and no other refusal does',
    [METADATA, 'a 401 at %s says where the metadata is'],
    [METADATA, 'a refusal %s names no metadata'],
  ),
];
