import { describe, expect, test, vi } from 'vitest';
import type { GatePorts } from '../src/gate.ts';
import { gateWith } from './gate.ts';
import { objectIds } from './objects.ts';
import { HOST } from './sockets.ts';
import { makeTicket, newInstance, unknownSigner } from './tickets.ts';

/** Malformed requests of anonymous callers: each is refused for its fault, and causes no bug, no outage and no object. */

/** A request whose parts are given; a text is its path. */
interface Odd {
  readonly path?: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

const PATH = '/agents/counter/room-1';
const long = 'A'.repeat(8_000);

const PATHS = [
  '/agents',
  '/agents/',
  '/agents//',
  '/agents///',
  '/agents/counter',
  '/agents/counter/',
  '/agents/counter//',
  '/agents//counter/room-1',
  '/agents/counter/%',
  '/agents/counter/%zz',
  '/agents/counter/%c0%af',
  '/agents/counter/%00',
  '/agents/%63ounter/room-1',
  '/agents/__proto__/room-1',
  '/agents/constructor/prototype',
  '/agents/counter/__proto__',
  '/agents/counter/sub/counter/x',
  '/agents/counter/room-1/sub',
  '/agents/counter/room-1/%73ub/counter/x',
  '/agents/counter/room-1/sub/__proto__/x',
  '/agents/counter/..;/room-1',
  '/agents/counter/\u{1F600}',
  '/agents/counter/ro om',
  `/agents/${long}/room-1`,
  `/agents/counter/${long}`,
  `${PATH}${'/'.repeat(2_000)}`,
  `${PATH}?${'ticket=&'.repeat(500)}`,
  `${PATH}?ticket=%`,
  `${PATH}?ticket=%00`,
  `${PATH}?ticket=${long}`,
  `${PATH}?__proto__=x&ticket[]=y`,
  `${PATH}?_pk=x&__agents_transport=capnweb`,
];

const segment = (value: unknown): string => btoa(JSON.stringify(value)).replaceAll(/=+$/g, '');
const HEADERS: Readonly<Record<string, unknown>> = {
  none: { alg: 'none', typ: 'agent-ticket+jwt' },
  'no object': 'x',
  null: null,
  'a list': [],
  'a number for kid': { alg: 'ES256', typ: 'agent-ticket+jwt', kid: 1 },
  crit: { alg: 'ES256', typ: 'agent-ticket+jwt', kid: 'A'.repeat(43), crit: ['x'] },
  'an own key': { alg: 'ES256', typ: 'agent-ticket+jwt', kid: 'A'.repeat(43), jwk: {} },
  'an address of keys': {
    alg: 'ES256',
    typ: 'agent-ticket+jwt',
    kid: 'A'.repeat(43),
    jku: 'http://evil.test',
  },
  '__proto__ below': { ['__proto__']: { alg: 'ES256' } },
};
const TOKENS: Readonly<Record<string, string>> = {
  nothing: '',
  dots: '.'.repeat(2_000),
  'two dots': '..',
  'four parts': 'a.b.c.d',
  'no base64': '%%%.%%%.%%%',
  padding: 'e30=.e30=.e30=',
  'other alphabet': 'e30+/.e30.e30',
  'no UTF-8': '_-__.e30.AAAA',
  'too long': long,
  'very long': 'eyJ'.repeat(4_000),
  'deep JSON': `${btoa('['.repeat(900)).replaceAll('=', '')}.e30.AAAA`,
  ...Object.fromEntries(
    Object.entries(HEADERS).map(([name, header]) => [
      `header: ${name}`,
      `${segment(header)}.e30.${'A'.repeat(86)}`,
    ]),
  ),
};

const UPGRADES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  plain: {},
  'an upgrade': { upgrade: 'websocket' },
  'an upgrade for JSON': { upgrade: 'websocket', accept: 'application/json' },
};

const ODD: readonly [what: string, odd: Odd][] = [
  ...PATHS.map((path): [string, Odd] => [`path ${path.slice(0, 60)}`, { path }]),
  ...['HEAD', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'PROPFIND', 'get'].map((method): [string, Odd] => [
    `method ${method}`,
    { method },
  ]),
  ...Object.entries(TOKENS).flatMap(([name, token]): [string, Odd][] => [
    [`ticket ${name} as a header`, { headers: { authorization: `Bearer ${token}` } }],
    [`ticket ${name} in the query`, { path: `${PATH}?ticket=${token}` }],
    [
      `ticket ${name} as a subprotocol`,
      { headers: { 'sec-websocket-protocol': `agent-ticket.v1, ${token}` } },
    ],
  ]),
  ...['null', '', ' ', 'https://evil.test', 'https://app.test, https://app.test', long].map(
    (origin): [string, Odd] => [`origin ${origin.slice(0, 40)}`, { headers: { origin } }],
  ),
  ['header for Basic', { headers: { authorization: 'Basic Og==' } }],
  ['header for a scheme alone', { headers: { authorization: 'Bearer' } }],
  [
    'header of a false length',
    { method: 'POST', body: 'x', headers: { 'content-length': '99999999999999999999' } },
  ],
  ['header of no length', { method: 'POST', body: 'x', headers: { 'content-length': 'x' } }],
  ['header of an address', { headers: { 'cf-connecting-ip': long, 'user-agent': long } }],
  [
    'header that the SDK believes',
    { headers: { 'x-agents-lifecycle-props': '%', 'x-cf-agents-subagent-url': '%' } },
  ],
  ['header of subprotocols', { headers: { 'sec-websocket-protocol': ',,agent-ticket.v1,,,' } }],
  ['body', { method: 'POST', body: '{'.repeat(100_000) }],
];

const requestOf = ({ path = PATH, method = 'GET', headers = {}, body }: Odd, upgrade: object): Request =>
  new Request(`${HOST}${path}`, {
    method,
    headers: { ...headers, ...upgrade },
    ...(body === undefined ? {} : { body }),
  });

async function answerOf(odd: Odd, upgrade: object, ports: Partial<GatePorts> = {}) {
  const logged: Readonly<Record<string, unknown>>[] = [];
  const front = gateWith({ ...ports, log: (line) => logged.push(line) });
  const answer = await front(requestOf(odd, upgrade));
  answer.webSocket?.accept();
  return { answer, events: logged.map(({ event }) => event), logged };
}

describe('malformed requests of anonymous callers', () => {
  test.for(ODD)('nothing is a fault of the gate: %s', async ([, odd]) => {
    const before = await objectIds();
    for (const upgrade of Object.values(UPGRADES)) {
      const { answer, events } = await answerOf(odd, upgrade);
      // A preflight has its answer; a refused upgrade is 101 and a close.
      if (answer.status !== 101 && odd.method !== 'OPTIONS')
        expect(answer.status).toBeGreaterThanOrEqual(400);
      expect(answer.status).toBeLessThan(500);
      expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
      expect(events.filter((event) => event === 'bug' || event === 'outage')).toEqual([]);
    }
    expect(await objectIds()).toEqual(before);
  });

  test('no more than the key of a well-formed ticket is looked up, and once for each', async () => {
    const findKey = vi.fn<GatePorts['findKey']>(async () => ({
      ok: false,
      denial: { reason: 'ticket_key_unknown' },
    }));
    for (const [, odd] of ODD) await answerOf(odd, { upgrade: 'websocket' }, { findKey });
    expect(findKey).not.toHaveBeenCalled();
    const ticket = await makeTicket({ instance: newInstance() }, { by: unknownSigner });
    await answerOf({ headers: { authorization: `Bearer ${ticket}` } }, {}, { findKey });
    expect(findKey).toHaveBeenCalledTimes(1);
  });
});
