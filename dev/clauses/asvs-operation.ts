import { type Clause, deviates, none, yes } from './clause.ts';

const SEAL = 'broker/src/keys/seal.test.ts';
const SECRET = 'broker/src/credentials/secret.test.ts';
const SECRECY = [
  'dev/e2e/secrecy.test.ts',
  'no credential and no ticket is written anywhere, used or refused',
] as const;
const HTTP = 'broker/test/http.test.ts';
const RELEASE = 'dev/pack/release.test.ts';
const CONFIG = [
  'broker/src/config/config.test.ts',
  'with a %s that is not good refuses to start, names it and not its value',
] as const;
const LOG = [
  'broker/test/security-log.test.ts',
  'has a line for each good credential: principal, address, method and route',
] as const;

/** V11 to V17. */
export const ASVS_OPERATION: readonly Clause[] = [
  yes(
    '11.1.*',
    'keys and algorithms have an inventory and a life cycle',
    'the pages on keys and on secrets; a schedule rotates keys',
    ['broker/src/keys/schedule.test.ts', 'is safe as it is'],
    [
      'broker/test/key-life.test.ts',
      'refuse no ticket over 20 of them, whatever the age of a verifier’s cache',
    ],
  ),
  yes(
    '11.2.*',
    'known implementations, exchangeable algorithms, 128 bits of security',
    'WebCrypto and jose; a rotation changes the algorithm',
    ['broker/test/rotation.test.ts', 'is Ed25519 by choice, and stays so until another is chosen'],
  ),
  yes(
    '11.3.*',
    'authenticated encryption',
    'AES-GCM with kid, algorithm and purpose as additional data',
    [SEAL, 'does not open under another %s'],
    [SEAL, 'does not open with any letter changed'],
  ),
  yes('11.4.1, 11.4.3', 'collision-resistant hashes', 'SHA-256', [
    SECRET,
    'is HMAC-SHA-256 (RFC 4231, case 2)',
  ]),
  none(
    '11.4.2, 11.4.4',
    'hashes of passwords',
    'there are none: a secret has 256 random bits and is kept under a pepper',
  ),
  yes('11.5.1', 'unpredictable random numbers', 'from the platform, 128 bits or more', [
    SECRET,
    'asks for enough randomness: 43 characters, 256 bits',
  ]),
  yes('11.6.1', 'known algorithms for keys and signatures', 'ES256, Ed25519', [
    'shared/src/key-set.test.ts',
    'has each key for the one algorithm of its type, out of %s',
  ]),
  deviates(
    '12.1.*, 12.2.2, 12.3.4',
    'versions, suites and certificates of TLS',
    'Cloudflare decides them, or the proxy before Node: the page on proxies has a configuration',
    ['dev/e2e/node/proxies.test.ts', 'a request without TLS goes no further, whatever it says of its scheme'],
  ),
  yes(
    '12.2.1, 12.3.1 to 12.3.3',
    'TLS for all that leaves the machine',
    'the broker refuses to start with a plain http address in a setting',
    CONFIG,
    [HTTP, 'a request without TLS is refused, but for those of probes'],
  ),
  yes(
    '13.1.1, 13.2.4, 13.2.5',
    'connected services are documented and listed',
    'issuers, workers and anchors are settings; receivers are rows of the database',
    CONFIG,
  ),
  yes(
    '13.2.1 to 13.2.3',
    'components authenticate to each other, with the least rights',
    'commands are signed, for one audience, for 30 seconds; no default secret exists',
    ['agent-worker/test/control.test.ts', '%s is refused, and wakes nothing'],
  ),
  yes(
    '13.3.*',
    'secrets are managed, and given only to the parts that need them',
    'bindings of the platform, or files of the service manager',
    [
      'broker/src/runtime/node/open-credentials.test.ts',
      'are each file that is named like a setting, without one newline at the end, also through a link',
    ],
    ['dev/check/bundle.test.ts', 'must not contain the text "$found"'],
  ),
  yes(
    '13.4.*',
    'no metadata, debugging, listings or TRACE',
    'packages have only built files; an unknown method is refused',
    ['dev/pack/packages.test.ts', 'has built files, migrations and texts, and no test and no source'],
    [
      'broker/test/node/process/start.test.ts',
      'serves the console from the files beside it, and nothing else of its folder',
    ],
  ),
  yes(
    '14.1.*, 14.2.4',
    'data are classified, with rules',
    'the page on personal data and the one on secrets',
    [
      'broker/test/node/auth0-session/forget.test.ts',
      'has no label, no last sight, no sign-in and no grant, and nothing in the tables says more',
    ],
  ),
  deviates(
    '14.2.1',
    'nothing sensitive in an address',
    'a ticket may be in the query: see RFC 9700 §4.3.2',
    ['agent-worker/test/gate-tickets.test.ts', 'in the query of a plain request is dropped unread'],
    SECRECY,
  ),
  yes(
    '14.2.2, 14.3.2',
    'no cache stores sensitive data',
    'all answers but key sets and metadata have no-store',
    [HTTP, '(%s) may be kept by a cache only when it is the key set'],
  ),
  yes(
    '14.2.3, 14.3.1, 14.3.3',
    'no sensitive data for trackers or in the storage of a browser',
    'tickets and credentials are only in memory',
    ['dev/check/globals.test.ts', 'no page keeps anything in the storage of the browser'],
  ),
  yes(
    '15.1.*, 15.2.1',
    'components are listed and up to date',
    'a list of parts for each package; advisories and licences are checked before a release',
    [
      RELEASE,
      'release:sbom lists of each package what it brings, with hashes, and no tool of this repository',
    ],
  ),
  yes(
    '15.2.2',
    'work that takes long is bounded',
    'an export reads a page when the reader takes it; a command asks at most a hundred objects',
    ['broker/test/audit-proof.test.ts', 'reads a page when the reader takes one, and no sooner'],
  ),
  yes(
    '15.2.3',
    'nothing in production that is not needed',
    'a check searches the bundles for code that must not be there',
    ['dev/check/bundle.test.ts', '%s must not contain %s'],
  ),
  yes(
    '15.3.1, 15.3.3',
    'answers and requests have known members',
    'schemas validate both',
    ['broker/test/node/openapi.test.ts', 'with a member too many'],
    [
      'broker/test/node/routes-properties.test.ts',
      'no request of a service without permissions is a fault or changes a policy',
    ],
  ),
  yes('15.3.2', 'redirects are not followed', 'not for key sets, webhooks or the command line', [
    'broker/test/node/process/post.test.ts',
    'follows no redirect',
  ]),
  yes('15.3.4', 'addresses of callers come from trusted fields', 'from the socket, or from a listed proxy', [
    'broker/src/http/client-address.test.ts',
    'is the socket’s for everybody where no proxy is trusted',
  ]),
  yes(
    '15.3.5 to 15.3.7',
    'types, prototypes, duplicate parameters',
    'strict schemas; a duplicate parameter is refused',
    ['broker/src/runtime/body.test.ts', 'with a member twice %s is refused'],
    ['shared/src/verify-ticket-claims.test.ts', '__proto__ as %s refuses the ticket'],
  ),
  yes('16.1.1', 'an inventory of logs', 'pages on events, health and the audit log', [
    'broker/test/audit.test.ts',
    '%s is a security event, and none of the audit log',
  ]),
  yes(
    '16.2.*',
    'who, what, when and where, in UTC, without secrets',
    'JSON lines with principal, address and the id of the request; what keeps them (Workers Logs, journald) adds the time in UTC, and audit events have their own',
    LOG,
    SECRECY,
  ),
  yes(
    '16.3.*',
    'authentication, refusals, bypasses and faults are logged',
    'with the exact reason',
    [
      'broker/test/security-log.test.ts',
      'contains the exact reason why a credential was refused, and the address that tried it: %s',
    ],
    ['agent-worker/test/frames.test.ts', 'is recorded once each, with the session and no content'],
  ),
  yes('16.4.1', 'lines cannot be forged', 'each is JSON', [
    'broker/test/audit-proof.test.ts',
    'has one line for each event, also for readers that break at other signs than LF',
  ]),
  yes('16.4.2', 'logs cannot be changed', 'chain and signed checkpoints reveal a change of the audit log', [
    'dev/second-verifier/second-verifier.test.ts',
    'agrees on exports in which %s',
  ]),
  yes('16.4.3', 'logs are kept elsewhere, too', 'anchors, webhooks, exports', [
    'broker/test/audit-sealer.test.ts',
    'shows each checkpoint to the anchor',
  ]),
  yes(
    '16.5.*',
    'errors say nothing, and fail closed',
    'a bug is an opaque 500; a database away is a 503 and no ticket',
    [HTTP, 'to a bug says nothing about it'],
    [
      'agent-worker/test/gate-faults.test.ts',
      '$what is logged and answered $status or $close, without a word of the error',
    ],
  ),
  none('17.*', 'WebRTC', 'there is none'),
];
