/** Requests that no honest client sends, byte by byte. Each is one row: what is wrong, where it goes, and its bytes. */

/** `nodeBroker`: the broker on Node, whose own server reads the bytes. In front of the others the runtime does. */
export type Server = 'broker' | 'agentWorker' | 'nodeBroker';
export type Row = readonly [what: string, server: Server, bytes: (host: string) => string];

const CRLF = '\r\n';
const UPGRADE = [
  'connection: Upgrade',
  'upgrade: websocket',
  'sec-websocket-version: 13',
  'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==',
];
const CLOSE = 'connection: close';

const head = (line: string, ...headers: readonly string[]): string => [line, ...headers, '', ''].join(CRLF);
const get = (target: string, host: string, ...headers: readonly string[]): string =>
  head(`GET ${target} HTTP/1.1`, `host: ${host}`, ...headers);
const post = (target: string, host: string, body: string, ...headers: readonly string[]): string =>
  head(`POST ${target} HTTP/1.1`, `host: ${host}`, `content-length: ${body.length}`, CLOSE, ...headers) +
  body;

/** Second spellings of a path that exists, at its front, in its middle and at its end. */
const spellings = (path: string): readonly string[] => {
  const [, first = '', ...rest] = path.split('/');
  const last = rest.at(-1) ?? first;
  const back = path.slice(0, path.lastIndexOf('/'));
  return [
    `/${path}`,
    `//${path}`,
    `${path}/`,
    `${path}//`,
    `${path}/.`,
    `${path}/..`,
    `${path}/x/..`,
    `/.${path}`,
    `/..${path}`,
    `/x/..${path}`,
    `/%2e${path}`,
    `/%2e%2e${path}`,
    `/%2E%2E/%2e%2e${path}`,
    `/x/%2e%2e${path}x`,
    `${back}/%2e/${last}x`,
    `${back}%2f${last}`,
    `${back}%5c${last}`,
    `${back}\\${last}`,
    `${back}/%${last.charCodeAt(0).toString(16)}${last.slice(1)}x`,
    `${path}%00`,
    `${path}%20`,
    `${path}%0d%0aset-cookie:a=b`,
    `${path}%c0%ae`,
    `${path}%ff`,
    `${path}%u0041`,
    `${path}%`,
    `${path}%zz`,
    `${path};a=b`,
    `${path}.json`,
    `${path}~`,
    `${path}x#${last}`,
    `${path}\u0000`,
    `${path}\t`,
    `${path}\u00ff\u00fe`,
    `${path}\u00c3\u00a9`,
    path.toUpperCase(),
  ];
};

/** A request line, whatever is in it. */
const LINES: readonly string[] = [
  'GET',
  'GET /',
  'GET  /agents/counter/wire HTTP/1.1',
  'GET\t/agents/counter/wire\tHTTP/1.1',
  ' GET /agents/counter/wire HTTP/1.1',
  'GET /agents/counter/wire HTTP/1.1 ',
  'GET /agents/counter/wire HTTP/0.9',
  'GET /agents/counter/wire HTTP/1.0',
  'GET /agents/counter/wire HTTP/2.0',
  'GET /agents/counter/wire HTTP/9.9',
  'GET /agents/counter/wire http/1.1',
  'GET /agents/counter/wire HTTP/1.1\u0000',
  'GET /agents/counter/wire\u0000 HTTP/1.1',
  'GET agents/counter/wire HTTP/1.1',
  'GET ../agents/counter/wire HTTP/1.1',
  'GET ?ticket=x HTTP/1.1',
  'GET * HTTP/1.1',
  'OPTIONS * HTTP/1.1',
  'get /agents/counter/wire HTTP/1.1',
  'TRACE /agents/counter/wire HTTP/1.1',
  'TRACK /agents/counter/wire HTTP/1.1',
  'CONNECT agents.test:443 HTTP/1.1',
  'CONNECT /agents/counter/wire HTTP/1.1',
  'PRI * HTTP/2.0',
  'GET http://evil.example/agents/counter/wire HTTP/1.1',
  'GET https://evil.example/agents/counter/wire HTTP/1.1',
  'GET ws://evil.example/agents/counter/wire HTTP/1.1',
  'GET http:///agents/counter/wire HTTP/1.1',
  'GET http://user:pass@evil.example/agents/counter/wire HTTP/1.1',
  'GET file:///etc/passwd HTTP/1.1',
  'GET javascript:alert(1) HTTP/1.1',
  'GET //evil.example/agents/counter/wire HTTP/1.1',
  'GET /\\evil.example/agents HTTP/1.1',
  `GET /agents/counter/${'a'.repeat(70_000)} HTTP/1.1`,
  `GET /agents/counter/wire?${'ticket=x&'.repeat(5_000)} HTTP/1.1`,
  '\u0016\u0003\u0001\u0002\u0000\u0001\u0000',
];

/** Headers of an upgrade, spelled in other ways. The ticket is missing, so that none opens a socket. */
const UPGRADES: readonly (readonly [string, readonly string[]])[] = [
  ['in capitals', UPGRADE.map((line) => line.toUpperCase())],
  ['with white space around the values', UPGRADE.map((line) => `${line.replace(': ', ':   \t')}  `)],
  ['with a space before the colon', UPGRADE.map((line) => line.replace(':', ' :'))],
  ['twice', [...UPGRADE, 'upgrade: websocket']],
  ['twice, of two kinds', [...UPGRADE, 'upgrade: h2c']],
  ['of two kinds at once', UPGRADE.map((line) => line.replace('websocket', 'h2c, websocket'))],
  [
    'with a version of its own',
    UPGRADE.map((line) => line.replace('upgrade: websocket', 'upgrade: websocket/13')),
  ],
  ['to HTTP/2', ['connection: Upgrade, HTTP2-Settings', 'upgrade: h2c', 'http2-settings: AAMAAABkAAQAAP__']],
  ['beside keep-alive', UPGRADE.map((line) => line.replace('Upgrade', 'keep-alive, Upgrade'))],
  ['without Connection', UPGRADE.slice(1)],
  ['that is to close', UPGRADE.map((line) => line.replace('Upgrade', 'close'))],
  ['without a version', UPGRADE.filter((line) => !line.includes('version'))],
  ['of version 8', UPGRADE.map((line) => line.replace(': 13', ': 8'))],
  ['of version 13, 8', UPGRADE.map((line) => line.replace(': 13', ': 13, 8'))],
  ['without a key', UPGRADE.filter((line) => !line.includes('key'))],
  ['with a short key', UPGRADE.map((line) => line.replace('dGhlIHNhbXBsZSBub25jZQ==', 'AA=='))],
  ['with a key that is no base64', UPGRADE.map((line) => line.replace('dGhlIHNhbXBsZSBub25jZQ==', '%%%'))],
  ['with two keys', [...UPGRADE, 'sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==']],
  ['with an empty protocol', [...UPGRADE, 'sec-websocket-protocol:']],
  ['with commas for a protocol', [...UPGRADE, 'sec-websocket-protocol: ,,,']],
  ['with the marker twice', [...UPGRADE, 'sec-websocket-protocol: agent-ticket.v1, agent-ticket.v1']],
  ['with the marker in capitals', [...UPGRADE, 'sec-websocket-protocol: AGENT-TICKET.V1, x']],
  [
    'with a protocol in two lines',
    [...UPGRADE, 'sec-websocket-protocol: agent-ticket.v1', 'sec-websocket-protocol: eyJ.x.y'],
  ],
  ['with a folded protocol', [...UPGRADE, 'sec-websocket-protocol: agent-ticket.v1,', ' eyJ.x.y']],
  [
    'with a protocol of 64 KiB',
    [...UPGRADE, `sec-websocket-protocol: agent-ticket.v1, ${'a'.repeat(65_536)}`],
  ],
  ['with a thousand protocols', [...UPGRADE, `sec-websocket-protocol: ${'eyJ, '.repeat(1_000)}x`]],
  [
    'with extensions that do not exist',
    [...UPGRADE, 'sec-websocket-extensions: x; a=b, permessage-deflate; server_max_window_bits=99'],
  ],
  ['from an origin that is not listed', [...UPGRADE, 'origin: https://evil.example']],
  ['from two origins', [...UPGRADE, 'origin: https://evil.example', 'origin: https://other.example']],
  [
    'with the header of a handed-over session',
    [...UPGRADE, 'x-agent-ticket-session: {}', 'x-agents-lifecycle-props: {}', 'x-partykit-room: main'],
  ],
];

/** The ways in which two servers may see the end of a body in different places. `HIDDEN` is behind it. */
const HIDDEN = 'GET /healthz?hidden HTTP/1.1\r\nhost: x\r\n\r\n';
const BODIES: readonly (readonly [string, readonly string[], string])[] = [
  ['a length and chunks', ['content-length: 6', 'transfer-encoding: chunked'], `0${CRLF}${CRLF}${HIDDEN}`],
  [
    'chunks and a length',
    ['transfer-encoding: chunked', `content-length: ${HIDDEN.length + 5}`],
    `0${CRLF}${CRLF}${HIDDEN}`,
  ],
  ['two lengths that differ', ['content-length: 2', `content-length: ${HIDDEN.length + 2}`], `{}${HIDDEN}`],
  ['two lengths in one header', ['content-length: 2, 4'], `{}${HIDDEN}`],
  ['a length with a sign', ['content-length: +2'], `{}${HIDDEN}`],
  ['a negative length', ['content-length: -1'], `{}${HIDDEN}`],
  ['a length in hex', ['content-length: 0x2'], `{}${HIDDEN}`],
  ['a length with an underscore', ['content-length: 1_0'], `{}${HIDDEN}`],
  ['a length beyond 64 bits', ['content-length: 18446744073709551618'], `{}${HIDDEN}`],
  ['a length with a space before the colon', ['content-length : 2'], `{}${HIDDEN}`],
  [
    'chunks with a space before the colon',
    ['transfer-encoding : chunked', 'content-length: 2'],
    `{}${HIDDEN}`,
  ],
  ['chunks by a vertical tab', ['transfer-encoding:\u000bchunked', 'content-length: 2'], `{}${HIDDEN}`],
  ['chunks and an unknown coding', ['transfer-encoding: chunked, x', 'content-length: 2'], `{}${HIDDEN}`],
  ['an unknown coding', ['transfer-encoding: xchunked', 'content-length: 2'], `{}${HIDDEN}`],
  ['chunks in quotes', ['transfer-encoding: "chunked"', 'content-length: 2'], `{}${HIDDEN}`],
  ['chunks twice', ['transfer-encoding: chunked', 'transfer-encoding: identity'], `0${CRLF}${CRLF}${HIDDEN}`],
  ['chunks on a folded line', ['transfer-encoding:', ' chunked', 'content-length: 2'], `{}${HIDDEN}`],
  [
    'a chunk of a negative size',
    ['transfer-encoding: chunked'],
    `-1${CRLF}{}${CRLF}0${CRLF}${CRLF}${HIDDEN}`,
  ],
  ['a chunk size in 0x', ['transfer-encoding: chunked'], `0x2${CRLF}{}${CRLF}0${CRLF}${CRLF}${HIDDEN}`],
  [
    'a chunk size beyond 64 bits',
    ['transfer-encoding: chunked'],
    `fffffffffffffffff${CRLF}{}${CRLF}${HIDDEN}`,
  ],
  [
    'a chunk that is longer than its size',
    ['transfer-encoding: chunked'],
    `1${CRLF}{}${CRLF}0${CRLF}${CRLF}${HIDDEN}`,
  ],
  ['chunks that end in a bare LF', ['transfer-encoding: chunked'], `2\n{}\n0\n\n${HIDDEN}`],
];

/** Lines of a head that are no header. */
const HEADERS: readonly (readonly [string, string])[] = [
  ['without a colon', 'nonsense'],
  ['without a name', ': x'],
  ['with a space in its name', 'x y: z'],
  ['with a null in its value', 'x: a\u0000b'],
  ['with a null in its name', 'x\u0000: a'],
  ['with a bare CR', 'x: a\rset-cookie: b'],
  ['with a bare LF', 'x: a\nauthorization: Bearer x'],
  ['that is folded', 'x: a\r\n b'],
  ['of bytes beyond ASCII', 'x: \u00ff\u00fe\u0080'],
  ['of 64 KiB', `x: ${'a'.repeat(65_536)}`],
  ['of 1 MiB', `x: ${'a'.repeat(1_048_576)}`],
  ['that a proxy would set', 'x-forwarded-for: 127.0.0.1, evil'],
  ['that names another method', 'x-http-method-override: DELETE'],
  ['that names another path', 'x-original-url: /admin/keys'],
  ['that expects', 'expect: 100-continue'],
  ['that expects nonsense', 'expect: 200-maybe'],
  ['of ranges', `range: bytes=${'0-0,'.repeat(1_000)}1-1`],
  ['of trailers', 'te: trailers, deflate;q=0'],
  ['of a proxy', 'proxy-authorization: Basic Og=='],
  ['that lists itself as hop by hop', 'connection: close, authorization, host'],
];

const HOSTS: readonly (readonly [string, readonly string[]])[] = [
  ['no host', []],
  ['two hosts', ['host: a.example', 'host: evil.example']],
  ['an empty host', ['host:']],
  ['another host', ['host: evil.example']],
  ['a host with a port that is none', ['host: evil.example:99999']],
  ['a host with a path', ['host: evil.example/agents']],
  ['a host with a user', ['host: user@evil.example']],
  ['a host with a comma', ['host: a.example, evil.example']],
  ['a host with a space', ['host: a example']],
  ['a host with a null', ['host: a\u0000.example']],
  ['a host in Unicode', ['host: \u00e9vil.example']],
  ['half an IPv6 host', ['host: [::1']],
  ['a host of 10 KiB', [`host: ${'a'.repeat(10_240)}`]],
  [
    'a host behind a forwarded one',
    ['host: a.example', 'x-forwarded-host: evil.example', 'forwarded: host=evil.example'],
  ],
];

const row = (what: string, server: Server, bytes: Row[2]): Row => [what, server, bytes];
const shown = (text: string): string => JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text);

const AGENT_PATHS = spellings('/agents/counter/wire');
const BROKER_PATHS = ['/admin/keys', '/tickets'].flatMap(spellings);

/**
 * Rows that the local runtime answers itself, by a plain 500, 501 or 200, before it has a request for a worker. The edge of
 * Cloudflare refuses them.
 */
const OF_RUNTIME =
  /request line "(GET \*|OPTIONS \*|get |TRACK|CONNECT)|^(two hosts|a host with a (port that is none|comma|space)|half an IPv6 host)$/;

export const isOfRuntime = ([what, server]: Row): boolean => server !== 'nodeBroker' && OF_RUNTIME.test(what);

/** Rows that are one more spelling of `/`, a page for everybody. */
export const isOfPage = ([what, server]: Row): boolean =>
  (server === 'nodeBroker' ? /"GET \/"$/ : /^a request to "\/tickets\/\.\."$|"GET javascript:/).test(what);

export const ROWS: readonly Row[] = [
  ...AGENT_PATHS.flatMap((path) => [
    row(`a request to ${shown(path)}`, 'agentWorker', (host) => get(path, host, CLOSE)),
    row(`an upgrade to ${shown(path)}`, 'agentWorker', (host) =>
      get(path, host, 'accept: application/json', ...UPGRADE),
    ),
  ]),
  ...BROKER_PATHS.flatMap((path) => [
    row(`a request to ${shown(path)}`, 'broker', (host) => get(path, host, CLOSE)),
    row(`a post to ${shown(path)}`, 'broker', (host) =>
      post(path, host, '{"agent":"counter"}', 'content-type: application/json'),
    ),
  ]),
  ...(['broker', 'agentWorker', 'nodeBroker'] as const).flatMap((server) => [
    ...LINES.map((line) =>
      row(`the request line ${shown(line)}`, server, (host) => head(line, `host: ${host}`, CLOSE)),
    ),
    ...HEADERS.map(([what, line]) =>
      row(`a header ${what}`, server, (host) => get('/agents/counter/wire', host, line, CLOSE)),
    ),
    ...HOSTS.map(([what, lines]) =>
      row(what, server, () => head('GET /agents/counter/wire HTTP/1.1', ...lines, CLOSE)),
    ),
    ...BODIES.map(([what, lines, body]) =>
      row(
        `a body with ${what}`,
        server,
        (host) =>
          head(
            `POST ${server === 'agentWorker' ? '/agents/counter/wire' : '/tickets'} HTTP/1.1`,
            `host: ${host}`,
            'content-type: application/json',
            ...lines,
          ) + body,
      ),
    ),
    ...UPGRADES.flatMap(([what, lines]) =>
      ['GET', 'POST'].map((method) =>
        row(`an upgrade by ${method} ${what}`, server, (host) =>
          head(
            `${method} /agents/counter/wire HTTP/1.1`,
            `host: ${host}`,
            'accept: application/json',
            ...(method === 'POST' ? ['content-length: 0'] : []),
            ...lines,
          ),
        ),
      ),
    ),
  ]),
];
