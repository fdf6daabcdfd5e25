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
    'a ticket is bound to no key: it opens one session, and its life is a minute',
    [
      'dev/e2e/race.test.ts',
      'of a hundred concurrent sockets with one ticket one opens, and the others get a close that asks for a new ticket',
    ],
  ),
  none('§2.2.2', 'refresh tokens are constrained or rotate', 'there are none'),
  yes(
    '§2.3',
    'tokens are restricted to an audience and to few privileges',
    'a ticket is for one instance, and its scope can only narrow',
    [CLIENT, 'gets less than its role allows when it asks for less'],
    ['shared/src/verify-ticket.test.ts', 'a route to the instance %j is not the one of the ticket'],
  ),
  yes('§2.4', 'no password grant', 'two grant types, and no other', [KIT, PASSES]),
  yes(
    '§2.5',
    'clients authenticate',
    'a service token by Basic or in the form; a public client gives no rights',
    [CLIENT, 'a client that authenticates %s gets a ticket'],
    [EXCHANGE, 'refuses a client that fails to authenticate, whatever the subject'],
  ),
  yes(
    '§2.6',
    'metadata are published; requests over TLS',
    'plain HTTP is refused but on loopback',
    [STOCK, 'finds the token endpoint by the metadata of RFC 8414'],
    ['broker/test/http.test.ts', 'a request without TLS is refused, but for those of probes'],
  ),
  deviates(
    '§4.3.2',
    'no access token in a query',
    'browsers can send none otherwise where a client library allows no subprotocol. A ticket is used up by its first use, the gate removes it before the agent sees the address, and an agent may exclude the query',
    ['agent-worker/test/admission.test.ts', 'by %s leaves nothing of itself with the agent'],
    ['agent-worker/test/gate-tickets.test.ts', 'in the query of a plain request is dropped unread'],
  ),
  yes(
    '§4.10',
    'a stolen token is of little use',
    'replay is refused and recorded; a revocation ends what it opened',
    ['agent-worker/test/admission.test.ts', 'is closed 3000 the second time, by %s'],
    [STATUS, 'stores one row, writes one event and commands the instance of the ticket'],
  ),
  yes('§4.11', 'no open redirection', 'a sign-out asks before it follows a foreign link', [
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
    'answers are for listed origins alone',
    'an exact list, and nothing of the request in an answer',
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
    'a token is validated as its declared type asks',
    'an ID token is no access token, and the declared type must be the true one',
    [EXCHANGE, 'a subject token that %s is invalid_request (RFC 8693 §2.2.2)'],
    ['broker/test/node/workload/tokens.test.ts', 'no platform is an access token'],
  ),
  yes(
    '§2.1',
    'resource and audience name the target',
    'one resource, compared as text; the audience may repeat that of its worker',
    [CLIENT, 'the instance may be named %s'],
    [CLIENT, 'for two resources'],
  ),
  deviates(
    '§2.2.1',
    'the type of a token that is no access token is N_A',
    '`Bearer`, since the gate takes a ticket as one and stock clients refuse `N_A`',
    [STOCK, 'exchanges an access token for a ticket'],
  ),
  yes(
    '§2.2.2',
    'a bad subject or actor token is invalid_request',
    'for any reason, with no word of it',
    [EXCHANGE, 'a subject token that %s is invalid_request (RFC 8693 §2.2.2)'],
    [EXCHANGE, 'logs a subject token that failed, without a byte of it'],
  ),
  yes(
    '§4.1',
    'act names the actor; nested ones inform',
    'the chain is kept; every actor is a party that a lock hits',
    [EXCHANGE, 'names the actor in act, while the subject stays'],
    [EXCHANGE, 'puts a new actor in front of those that the subject’s token has'],
    [EXCHANGE, 'a locked actor acts for nobody'],
  ),
  yes(
    '§4.3',
    'client_id is the client of the exchange',
    'only one that authenticated',
    [EXCHANGE, 'records a client that authenticated, in the ticket and in the audit log'],
    [EXCHANGE, 'takes a public client’s id and records none'],
  ),
  yes(
    '§4.4',
    'may_act restricts who acts',
    'it must name the actor, and has no member that is not known',
    [EXCHANGE, 'a may_act that %s'],
    [EXCHANGE, 'a may_act has no effect on a subject that acts for itself'],
  ),
  yes(
    '§5',
    'delegation does not widen rights',
    'a ticket ends with the first token, and has no more than client and subject have both',
    [EXCHANGE, 'lasts no longer than the shorter of both tokens'],
    [EXCHANGE, 'gives nothing that the client beside the subject is not allowed'],
  ),
];

/** RFC 7009, revocation. */
export const RFC_7009: readonly Clause[] = [
  yes(
    '§2',
    'POST over TLS, by an authenticated client',
    'without a credential 401',
    [STATUS, '%s may read and revoke a ticket'],
    [KIT, PASSES],
  ),
  yes(
    '§2.1',
    'the token was issued to the client',
    'or the caller is its subject, or has the permission for its agent',
    [STATUS, '%s may read and revoke a ticket'],
    [STATUS, 'either permission by itself: reading is no revoking'],
  ),
  yes('§2.1', 'a wrong hint changes nothing', 'hints are ignored', [
    STATUS,
    'ignores a hint of the type, known or not, and parameters that it does not know',
  ]),
  yes(
    '§2.1',
    'what rests on the token ends',
    'the session that it opened, also after a renewal',
    [STATUS, 'stores one row, writes one event and commands the instance of the ticket'],
    [KIT, PASSES],
  ),
  yes('§2.2', 'an unknown token is answered by 200', 'and without a body, as every other', [KIT, PASSES]),
  yes('§2.2.1', 'a temporary failure is 503 with a time', 'so that the client comes again', [
    STATUS,
    '%s is a 503 with a time',
  ]),
  none('§2.3', 'JSONP', 'not supported: CORS is'),
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
    'with actors and client; no number of the broker alone',
    [STATUS, 'has the claims of an active ticket, and nothing that is a matter of the broker alone'],
    [STATUS, 'shows the client and the actors'],
  ),
  yes(
    '§2.2',
    'an inactive token is active: false and no more',
    'alike for another’s, a foreign and no ticket',
    [KIT, PASSES],
    [STATUS, 'a ticket for an agent worker that is not configured any more is unknown'],
  ),
  yes(
    '§4',
    'all checks of a protected resource',
    'signature, time, audience, registry, revocations',
    [STATUS, 'is active up to the end of the ticket and not from then on'],
    [STATUS, 'is not active once %s'],
  ),
  deviates(
    '§4',
    'the answer says whether the token can be used',
    'whether it was used only its object knows, so that it replaces no burn',
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
    'it is named, and at its address is a 404: MCP clients accept no metadata without it',
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
  yes('§2', 'resource and authorization servers', 'for agents of the transport sse', [
    METADATA,
    'the resource with the path “%s” names itself and its broker',
  ]),
  yes(
    '§3.1',
    'the well-known part comes before the path of the resource',
    'each instance has its own',
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
