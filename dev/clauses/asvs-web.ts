import { type Clause, deviates, none, yes } from './clause.ts';

const BODY = 'broker/src/runtime/body.test.ts';
const HTTP = 'broker/test/http.test.ts';
const CORS = 'broker/test/cors.test.ts';
const WIRE = ['dev/e2e/attacks/wire.test.ts', '%s to the %s gets no more than a refusal'] as const;
const FUZZ = [
  'broker/test/node/routes-properties.test.ts',
  'no request of an operator is a fault, whatever it says',
] as const;
const ORIGINS = ['dev/e2e/origins.test.ts', 'a page %s opens none, and its try costs no ticket'] as const;
const PAGE = [
  'broker/test/node/auth0-session/refusal-page.test.ts',
  'nothing of an address becomes a part of the page',
] as const;

/** V1 to V5. */
export const ASVS_WEB: readonly Clause[] = [
  yes(
    '1.1.1',
    'decode once, into one form',
    'paths are compared as received, and never decoded',
    ['agent-worker/test/gate-places.test.ts', 'that is %s is refused: %s'],
    WIRE,
  ),
  yes(
    '1.1.2, 1.2.1 to 1.2.3',
    'encode output for its place',
    'answers are JSON; the few pages are made of constants and encoded texts',
    PAGE,
  ),
  yes('1.2.4', 'queries have parameters', 'all go through Drizzle, and none is built from strings', FUZZ, [
    'drizzle/test/d1/object-plans.test.ts',
    '%s without looking at every row',
  ]),
  none(
    '1.2.5 to 1.2.10',
    'commands of the system, LDAP, XPath, LaTeX, spreadsheets',
    'there are none; regular expressions are constants',
  ),
  yes('1.3.2', 'no eval', 'the content policy forbids it in pages, and the linter in code', [
    'broker/test/console.test.ts',
    'may load its own files and call the broker, and no page may frame it',
  ]),
  yes(
    '1.3.6',
    'no request to an address that a caller chose',
    'receivers of webhooks have public https addresses and no redirects; addresses of keys come from settings',
    [
      'broker/src/webhooks/receiver-url.test.ts',
      'may be of this machine, by http, for a broker that is on it alone',
    ],
    [
      'broker/test/node/workload/tokens.test.ts',
      'of an issuer that is not registered, and nobody asks that issuer anything',
    ],
  ),
  none(
    '1.3.1, 1.3.3 to 1.3.5, 1.3.7 to 1.3.11, 1.4.*, 1.5.1',
    'HTML, SVG, templates, mail, memory, XML',
    'the project reads and makes none of these; the language has no pointers',
  ),
  yes('1.5.2', 'safe deserialization', 'only JSON, with a strict schema and no duplicate member', [
    BODY,
    'with a member twice %s is refused',
  ]),
  yes(
    '2.1.*',
    'rules of input, limits and combinations are documented',
    'in the OpenAPI documents and the pages of reference',
    ['broker/test/node/openapi.test.ts', 'has every route, with its answers and refusals, and no other'],
  ),
  yes(
    '2.2.*',
    'input is validated by lists of what is allowed, at the server',
    'a strict schema for each body, query and path',
    FUZZ,
    [
      'broker/test/node/admin/invalid-values.test.ts',
      'has the form of each parameter of a path, but of the name of a file',
    ],
  ),
  yes('2.3.1', 'steps happen in their order', 'a sign-in ends in the browser in which it began', [
    'broker/test/node/auth0-session/sign-in.test.ts',
    'refuses a callback %s',
  ]),
  yes(
    '2.3.2, 2.3.4',
    'business limits, and locks on limited resources',
    'a claim is one insert; a limit is exact when many requests come at once',
    [
      'broker/test/limits.test.ts',
      'is exact when 40 come at once, and is not that of a principal at the same address',
    ],
  ),
  yes('2.3.3', 'a change happens as a whole', 'change, event and command are one batch', [
    'broker/test/node/keys/crash.test.ts',
    'at any call, before or after it, leaves what the next run completes',
  ]),
  yes('2.4.1', 'automation is limited', 'by tier, and by address for anonymous callers', [
    'broker/test/call-limits.test.ts',
    'every route counts something, but for these, which need no credential and give their reason',
  ]),
  yes(
    '3.2.*',
    'nothing is rendered in a wrong context',
    'every answer has a content type, and browsers may not guess another',
    [HTTP, '(%s) has the headers that make a browser careful'],
  ),
  deviates(
    '3.3.1, 3.3.3',
    'cookies are Secure with __Host-',
    'the sign-in cookie has the name of stock Auth0 sessions, and is Secure; the cookie of the gate has the prefix',
    ['agent-worker/test/mcp-oauth.test.ts', 'is set at an upgrade of the same site, for this host alone'],
    ['broker/test/node/auth0-session/stock-session.test.ts', 'is accepted: the same person, until it ends'],
  ),
  yes('3.3.2, 3.3.4', 'SameSite and HttpOnly', 'Lax, and no script reads one', [
    'broker/test/node/auth0-session/sign-in.test.ts',
    'ends with a session cookie, and the person is the one of their access tokens',
  ]),
  yes(
    '3.4.1, 3.4.3 to 3.4.6',
    'HSTS, content security policy, nosniff, referrer, frames',
    'on every answer of the broker, every refusal of the gate, and every page; hosts below that of the agent worker, and the policy of what an agent answers, are the app’s',
    [HTTP, '(%s) has the headers that make a browser careful'],
    ['broker/test/console.test.ts', 'may load its own files and call the broker, and no page may frame it'],
    [
      'agent-worker/src/gate/answer.test.ts',
      '%s is answered as %s, with the request’s id and nothing to cache',
    ],
    ['agent-worker/src/demo.test.ts', 'loads nothing from other origins and allows no framing: %s'],
  ),
  yes(
    '3.4.2, 3.5.2',
    'CORS by an exact list',
    'an answer repeats no origin, and the answer to a preflight does not depend on a credential',
    [CORS, 'from %s gets no permission, in a preflight or in an answer'],
    ORIGINS,
  ),
  yes(
    '3.5.1',
    'requests that other sites forge are refused',
    'a request with a cookie needs a listed origin and JSON, unless it is a read',
    ['broker/test/node/auth0-session/sign-in.test.ts', 'mints nothing by a form'],
  ),
  yes(
    '3.5.3',
    'no GET changes anything',
    'the sign-out is the exception, and asks first if another page links to it',
    [HTTP, '%s answers its own methods, and any other with a 405 that lists them'],
    [
      'broker/test/node/auth0-session/sign-out.test.ts',
      'by a link without a referrer, which may be of any page, asks the person first',
    ],
  ),
  yes(
    '3.5.4',
    'other applications have other hosts',
    'the console is not served where a broker is mounted beside agents',
    [
      'dev/e2e/one-worker/one-worker.test.ts',
      'has no agent, no command and no page of the app on the hostname of its sign-in',
    ],
  ),
  none('3.5.5, 3.7.1', 'postMessage, old plug-ins', 'there are none'),
  yes('3.7.2', 'redirects go to known hosts', 'to listed origins and the tenant', [
    'broker/test/node/auth0-session/sign-in.test.ts',
    'refuses to return to %j',
  ]),
  yes('4.1.1', 'a type for each answer', 'as the OpenAPI document says', [
    'broker/test/node/openapi.test.ts',
    'unless it is as the document says',
  ]),
  yes('4.1.2', 'an API does not redirect to https', 'plain HTTP is refused', [
    HTTP,
    'a request without TLS is refused, but for those of probes',
  ]),
  yes(
    '4.1.3',
    'headers of intermediaries cannot be set by callers',
    'those of Access count by their signature, addresses by the trusted proxies',
    ['broker/src/http/client-address.test.ts', 'where the peer is %s and it states %s: %s'],
    ['agent-worker/test/forgery.test.ts', 'every member of ours in cf is forged below'],
  ),
  yes(
    '4.2.1',
    'the end of a message has one interpretation',
    'ambiguous framing is refused or closes the connection',
    WIRE,
  ),
  none('4.3.*', 'GraphQL', 'there is none'),
  yes('4.4.1', 'WebSockets over TLS', 'plain WebSockets are refused, except on loopback', [
    'agent-worker/test/gate-order.test.ts',
    'at %s answers %d without a ticket',
  ]),
  yes('4.4.2', 'the origin of a handshake is checked', 'against a list, and the worker’s own', ORIGINS),
  yes('4.4.3', 'tokens of their own for WebSockets', 'the ticket is this token', [
    'agent-worker/test/admission.test.ts',
    'opens one session under 100 concurrent tries, all deliveries mixed',
  ]),
  yes(
    '4.4.4',
    'these tokens come through an authenticated HTTPS session',
    'the broker issues a ticket for a credential',
    ['broker/test/credentials.test.ts', '%s asks for one'],
  ),
  none('5.*', 'files', 'no file is uploaded; names of console files have a fixed form'),
];
