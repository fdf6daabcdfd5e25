import { type Clause, deviates, none, yes } from './clause.ts';

const LIMITS = 'broker/test/limits.test.ts';
const SIGN_IN = 'broker/test/node/auth0-session/sign-in.test.ts';
const BACK = 'broker/test/node/auth0-session/back-channel.test.ts';
const ABOVE = 'broker/test/node/admin/above-own.test.ts';
const FRAMES = 'agent-worker/test/frames.test.ts';
const CLIENT = 'broker/test/node/token/client-credentials.test.ts';

/** V6 to V10. */
export const ASVS_IDENTITY: readonly Clause[] = [
  yes(
    '6.1.1, 6.3.1',
    'guessing is limited, and the limit is documented',
    '30 failures a minute by client id and by address; a right credential is never limited',
    [LIMITS, 'are let try 30 times a minute by client id, whatever its spelling and wherever from'],
    [LIMITS, 'lock nobody out who has the right one'],
  ),
  yes(
    '6.1.3, 6.3.4',
    'each way to authenticate is documented, with equal strength',
    'each way has a page; a request with two credentials is refused',
    ['broker/test/credentials.test.ts', '%s are refused, even when they are one and the same'],
  ),
  none('6.1.2, 6.2.*, 6.4.*', 'passwords', 'there are none: Access or Auth0 authenticates people'),
  yes('6.3.2', 'no default accounts', 'a new deployment has no operator until one is made', [
    'dev/e2e/cli-node.test.ts',
    'makes the first operator, whose token works at once',
  ]),
  deviates(
    '6.3.3',
    'more than one factor',
    'the policy of the identity provider asks for it; a claim rule may require a claim that shows it',
    ['broker/src/credentials/claim-rules.test.ts', '%s has the free tier and nothing else'],
  ),
  none('6.5.*, 6.6.*', 'one-time codes and calls', 'there are none'),
  yes(
    '6.8.1',
    'one provider cannot name the people of another',
    'a principal is named by issuer and subject',
    [
      'broker/test/node/labels.test.ts',
      'decides nothing: a principal of another issuer has none of the rights',
    ],
  ),
  yes('6.8.2', 'signatures of assertions are checked', 'always, also where no credential is needed', [
    'dev/e2e/access.test.ts',
    'an assertion that %s is refused, also where nobody needs one',
  ]),
  none('6.8.3', 'SAML', 'it is not supported'),
  yes(
    '7.1.*',
    'lifetimes, parallel sessions and federation are documented',
    'on the pages about limits and sign-ins',
    ['agent-worker/test/limits.test.ts', 'hold for many at once'],
  ),
  yes(
    '7.2.*',
    'the server verifies tokens, and each token is new and random',
    'each ticket has a random id and one use',
    ['agent-worker/test/admission.test.ts', 'is closed 3000 the second time, by %s'],
  ),
  yes('7.3.1', 'idle sessions end', 'where the registry says so', [
    'agent-worker/test/limits.test.ts',
    'ends a session by the sweep, which is set for it',
  ]),
  yes('7.3.2', 'sessions have an absolute end', 'after 24 hours, in spite of renewals', [
    'agent-worker/test/renewal.test.ts',
    'never carries a session past 24 hours of life',
  ]),
  yes(
    '7.4.1',
    'an ended session is not used again',
    'not by a socket, a request, a stream or a renewal',
    ['agent-worker/test/expiry.test.ts', 'closes at the next frame, and the frame does not run'],
    [
      'broker/test/node/auth0-session/sign-out.test.ts',
      'ends the session and the sockets, and goes on to the tenant',
    ],
  ),
  yes(
    '7.4.2',
    'sessions end with the account',
    'by a lock, a back-channel logout or an event of the provider',
    [BACK, 'ends the session and the sockets'],
    [
      'broker/test/node/caep-receive.test.ts',
      'refuses credentials of the person from before, and ends what rests on them',
    ],
  ),
  yes('7.4.3', 'other sessions end when a secret is replaced', 'a rotation with `grace_in: 0` ends them', [
    'broker/test/node/admin/service-tokens.test.ts',
    'without a grace time ends those decided before it, and a ticket from after it opens one',
  ]),
  yes('7.4.4', 'a visible sign-out', 'in the console and on the first page', [
    'broker/test/front-page.test.ts',
    'the first page, where signing in and out may end, is a page for people',
  ]),
  yes('7.4.5', 'an operator ends sessions of one or all', 'by person, label, token, instance or address', [
    'broker/test/node/admin/terminate.test.ts',
    'ends the sessions of %s and the tickets from before',
  ]),
  none('7.5.1', 'accounts are changed after a new sign-in', 'the broker keeps no accounts'),
  deviates(
    '7.5.2',
    'people see and end their sessions, after they authenticate again',
    'they can with their present credential, without a new sign-in',
    ['broker/test/node/sessions.test.ts', 'lists the caller’s own live ones, newest first, page by page'],
  ),
  yes(
    '7.6.*',
    'sessions follow the provider, and begin by an action of the person',
    'no session outlives its credential; a link alone signs nobody in',
    ['broker/test/access.test.ts', 'that ends in %i s gives a ticket and a session of %i s'],
    [SIGN_IN, 'refuses a callback %s'],
  ),
  yes(
    '8.1.*',
    'rules of access are documented, down to single fields',
    'as named rules that also explain a decision',
    ['broker/src/mint/policy.test.ts', 'is that of the protocol: the first broken rule gives the reason'],
  ),
  yes(
    '8.2.1',
    'functions need a permission',
    'each route checks its permission before it looks anything up',
    ['broker/test/http.test.ts', '$method $path needs its permission, before it looks at the body'],
    [FRAMES, 'without its scope fails as the SDK says so, does not run, and is recorded'],
  ),
  yes(
    '8.2.2',
    'data need a permission, too',
    'a session of another principal looks like one that does not exist; a service token may be limited to agents',
    ['broker/test/node/sessions.test.ts', 'no query shows another’s'],
    ['broker/test/node/admin/limited-tokens.test.ts', '%s: within its agents, and not beyond'],
  ),
  yes(
    '8.2.3',
    'fields need a permission, too',
    'only one answer shows a secret; nobody can give more rights than their own',
    ['broker/test/node/admin/service-tokens.test.ts', 'shows its secret that once'],
    [ABOVE, 'gives nothing that lasts longer than the own grant'],
  ),
  yes('8.3.1', 'rules are enforced at the server', 'at the broker, the gate and the object', [
    'agent-worker/test/gate-tickets.test.ts',
    '%s opens no socket, wakes no object',
  ]),
  yes('8.4.1', 'tenants do not reach each other', 'workers of one broker have audiences of their own', [
    'dev/e2e/workers/several-workers.test.ts',
    'admits no ticket of another worker, though one key signs for both',
  ]),
  yes('9.1.*', 'signature, listed algorithms, known keys', 'see RFC 8725', [
    'shared/src/verify-ticket-header.test.ts',
    '%s is refused, and nothing is fetched',
  ]),
  yes(
    '9.2.*',
    'time, type and audience are checked; tokens name their audience if one key signs for several',
    'each agent worker has an audience, which the issuer names in the token',
    ['shared/src/verify-ticket.test.ts', 'the refusal of a ticket %s names the difference'],
    ['shared/src/own-jws-kinds.test.ts', '%s is refused by its %s'],
  ),
  yes(
    '10.1.*',
    'tokens go only to the parties that need them, and to the client that asked',
    'the agent never sees one; state and nonce bind a sign-in',
    ['agent-worker/test/admission.test.ts', 'by %s leaves nothing of itself with the agent'],
    [SIGN_IN, 'refuses an ID token with %s'],
  ),
  yes('10.2.*', 'the code flow resists forgery and mix-up', 'PKCE, state, one tenant, its issuer compared', [
    SIGN_IN,
    'goes to the tenant with state, nonce and PKCE',
  ]),
  yes(
    '10.3.1 to 10.3.3',
    'audience, delegated rights, a subject that is never reassigned',
    'by the claim rules of its issuer',
    ['broker/test/node/foreign/issuers.test.ts', 'a token of %s by the key of %s for the audience of %s: %i'],
  ),
  deviates('6.8.4, 10.3.4', 'strength of the sign-in', 'only by a claim rule', [
    'broker/src/credentials/claim-rules.test.ts',
    '%s has the free tier and nothing else',
  ]),
  none(
    '10.4.1 to 10.4.3, 10.4.5 to 10.4.9',
    'codes, refresh tokens, registration',
    'the broker has none of them',
  ),
  yes(
    '10.4.4, 10.4.10, 10.4.11',
    'grants, authentication and scopes of a client',
    'a client gets as little as it needs',
    [CLIENT, 'for a client that shows %s'],
    [CLIENT, 'gets less than its role allows when it asks for less'],
  ),
  yes(
    '10.5.*',
    'nonce, subject, issuer, audience, logout tokens',
    'each is compared, and a logout token is taken once',
    [SIGN_IN, 'refuses an ID token with %s'],
    [BACK, 'takes a token once'],
    [BACK, 'no ID token, access token or nothing is a logout token'],
  ),
  none('10.6.*, 10.7.*', 'an OpenID provider, consent', 'the broker is not an OpenID provider'),
];
