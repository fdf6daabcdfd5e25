import { QUERY_PARAMETER, SUBPROTOCOL } from '@agent-ticket/shared/handshake.ts';
import { TICKET_MAX_BYTES } from '@agent-ticket/shared/limits.ts';
import { base64url, exportJWK, exportSPKI, type GenerateKeyPairResult, importJWK, type JWK } from 'jose';
import type { Presentation } from './socket.ts';

/** The good ticket and the keys from which the bad tickets are made. */
export interface Good {
  readonly ticket: string;
  /** Address of the instance, without a query. */
  readonly url: string;
  readonly agent: string;
  readonly instance: string;
  /** A ticket with the same rights, for plain requests only. */
  readonly httpTicket: string;
  /** The published key of the ticket. */
  readonly published: JWK;
  /** A key that the broker does not have. */
  readonly stranger: GenerateKeyPairResult;
}

/** A presentation that the agent worker must refuse with this close. No bad ticket uses up the good ticket. */
export interface BadTicket {
  readonly name: string;
  readonly clause: string;
  readonly present: (good: Good) => Presentation | Promise<Presentation>;
  readonly close: readonly [code: number, reason: string];
}

const UNAUTHORIZED = [4001, 'unauthorized'] as const;
const FORBIDDEN = [4003, 'forbidden'] as const;
const TWICE = [4000, 'bad_request'] as const;
const UNKNOWN = [4004, 'not_found'] as const;

export const withTicket = ({ url }: Pick<Good, 'url'>, ticket: string): Presentation => ({
  url,
  protocols: [SUBPROTOCOL, ticket],
});
const inQuery = ({ url }: Good, ...tickets: readonly string[]): Presentation => ({
  url: `${url}?${tickets.map((ticket) => `${QUERY_PARAMETER}=${encodeURIComponent(ticket)}`).join('&')}`,
  protocols: [],
});
export const partsOf = (ticket: string): readonly [string, string, string] => {
  const [header = '', payload = '', signature = ''] = ticket.split('.');
  return [header, payload, signature];
};
const encode = (value: unknown): string => base64url.encode(JSON.stringify(value));
export const decode = (part: string): Readonly<Record<string, unknown>> =>
  Object(JSON.parse(new TextDecoder().decode(base64url.decode(part))));

/**
 * The good ticket with other members in its header or its claims, and with the unchanged signature. Members that a good
 * ticket may have itself are made from its claims.
 */
const altered =
  (
    header: object,
    claims: object | ((own: ReturnType<typeof decode>) => object) = {},
  ): BadTicket['present'] =>
  (good) => {
    const [head, payload, signature] = partsOf(good.ticket);
    const others = typeof claims === 'function' ? claims(decode(payload)) : claims;
    const parts = [encode({ ...decode(head), ...header }), encode({ ...decode(payload), ...others })];
    return withTicket(good, [...parts, signature].join('.'));
  };

/** The good ticket with its parts encoded or joined in another way. */
const spelled =
  (spell: (parts: readonly [string, string, string], good: Good) => string): BadTicket['present'] =>
  (good) =>
    inQuery(good, spell(partsOf(good.ticket), good));

/** A complete ticket, signed with a key that the broker does not have. */
const forged =
  (header: (jwk: JWK) => object, claims: object = {}): BadTicket['present'] =>
  async (good) => {
    const [head, payload] = partsOf(good.ticket);
    const { publicKey, privateKey } = good.stranger;
    const jwk = await exportJWK(publicKey);
    const parts = [
      encode({ ...decode(head), alg: 'ES256', ...header(jwk) }),
      encode({ ...decode(payload), ...claims }),
    ];
    const signed = parts.join('.');
    const how = { name: 'ECDSA', hash: 'SHA-256' };
    const signature = await crypto.subtle.sign(how, privateKey, new TextEncoder().encode(signed));
    return withTicket(good, `${signed}.${base64url.encode(new Uint8Array(signature))}`);
  };

/** A ticket with a MAC instead of a signature. The secret of the MAC is a public text. */
const macBy =
  (secretOf: (published: JWK) => string | Promise<string>): BadTicket['present'] =>
  async (good) => {
    const [head, payload] = partsOf(good.ticket);
    const signed = `${encode({ ...decode(head), alg: 'HS256' })}.${payload}`;
    const bytes = new TextEncoder().encode(await secretOf(good.published));
    const how = { name: 'HMAC', hash: 'SHA-256' };
    const key = await crypto.subtle.importKey('raw', bytes, how, false, ['sign']);
    const mac = await crypto.subtle.sign('HMAC', key, new TextEncoder().encode(signed));
    return withTicket(good, `${signed}.${base64url.encode(new Uint8Array(mac))}`);
  };

async function pemOf(jwk: JWK): Promise<string> {
  const key = await importJWK(jwk, jwk.alg, { extractable: true });
  return key instanceof Uint8Array ? '' : exportSPKI(key);
}

/** Changes a character in the middle, because the last characters may contain bits that decoders ignore. */
export function flipped(text: string): string {
  const middle = Math.floor(text.length / 2);
  return text.slice(0, middle) + (text[middle] === 'A' ? 'B' : 'A') + text.slice(middle + 1);
}

/** Another encoding of the same 64 bytes: decoders use only four bits of the last character. */
function respelled(signature: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return signature.slice(0, -1) + alphabet[alphabet.indexOf(signature.slice(-1)) + 1];
}

const other = (name: string): string => (name === 'probe-other' ? 'probe-another' : 'probe-other');
/** The good ticket at another instance, or at another agent. */
const elsewhere =
  (place: (good: Good) => string): BadTicket['present'] =>
  (good) => ({
    ...withTicket(good, good.ticket),
    url: good.url.replace(/[^/]+\/[^/]+$/, place(good)),
  });

const ZEROS = base64url.encode(new Uint8Array(64));

const unauthorized = (name: string, clause: string, present: BadTicket['present']): BadTicket => ({
  ...{ name, clause, present },
  close: UNAUTHORIZED,
});

const GATE = 'The agent worker, deliveries';
const TICKET = 'The ticket';

const ALL: readonly BadTicket[] = [
  unauthorized('no ticket', GATE, ({ url }) => ({ url, protocols: [] })),
  unauthorized('no ticket beside the protocol', GATE, ({ url }) => ({ url, protocols: [SUBPROTOCOL] })),
  unauthorized('an empty ticket in the query', GATE, (good) => inQuery(good, '')),
  {
    ...{ name: 'two tickets, by query and protocol', clause: GATE, close: TWICE },
    present: (good) => ({ ...inQuery(good, good.ticket), protocols: [SUBPROTOCOL, good.ticket] }),
  },
  {
    ...{ name: 'the same ticket twice in the query', clause: GATE, close: TWICE },
    present: (good) => inQuery(good, good.ticket, good.ticket),
  },
  {
    ...{ name: 'two tickets in the protocol', clause: GATE, close: TWICE },
    present: (good) => ({ url: good.url, protocols: [SUBPROTOCOL, good.ticket, good.httpTicket] }),
  },
  {
    ...{ name: 'two tickets, by query and Authorization', clause: GATE, close: TWICE },
    present: (good) => ({
      ...inQuery(good, good.ticket),
      headers: { authorization: `Bearer ${good.ticket}` },
    }),
  },
  unauthorized('not a JWT', 'RFC 7519 §7.2', (good) => withTicket(good, 'garbage')),
  unauthorized('truncated', 'RFC 7515 §5.2', (good) => withTicket(good, good.ticket.slice(0, -20))),
  unauthorized(
    'two segments',
    'RFC 7515 §7.1',
    spelled(([head, payload]) => `${head}.${payload}`),
  ),
  unauthorized(
    'five segments, as in an encrypted JWT',
    'RFC 8725 §2.5',
    spelled((parts) => [...parts, 'AA', 'AA'].join('.')),
  ),
  unauthorized(
    'longer than 2 KiB',
    TICKET,
    spelled(([head, payload, signature]) => `${head}.${payload}${'A'.repeat(TICKET_MAX_BYTES)}.${signature}`),
  ),
  unauthorized(
    'padding',
    'RFC 7515 §2',
    spelled((parts) => `${parts.join('.')}==`),
  ),
  unauthorized(
    'white space at its end',
    'RFC 7515 §2',
    spelled((parts) => `${parts.join('.')}\n`),
  ),
  unauthorized(
    'another encoding of the same signature',
    TICKET,
    spelled(([head, payload, signature]) => `${head}.${payload}.${respelled(signature)}`),
  ),
  unauthorized(
    'altered signature',
    'RFC 8725 §3.3',
    spelled(([head, payload, signature]) => `${head}.${payload}.${flipped(signature)}`),
  ),
  unauthorized(
    'no signature',
    'RFC 8725 §3.3',
    spelled(([head, payload]) => `${head}.${payload}.`),
  ),
  unauthorized(
    'a signature of zeros',
    'RFC 8725 §3.3',
    spelled(([head, payload]) => `${head}.${payload}.${ZEROS}`),
  ),
  unauthorized(
    'other role',
    'RFC 8725 §3.3',
    altered({}, ({ role }) => ({ role: role === 'owner' ? 'admin' : 'owner' })),
  ),
  unauthorized(
    'more scopes',
    'RFC 8725 §3.3',
    altered({}, ({ scope }) => ({ scope: `${String(scope)} agent:rpc:*` })),
  ),
  unauthorized(
    'longer life',
    'RFC 8725 §3.3',
    altered({}, { exp: Math.floor(Number.MAX_SAFE_INTEGER / 1e6) }),
  ),
  unauthorized('other subject', 'RFC 8725 §3.8', altered({}, { sub: 'token:svc_probe' })),
  unauthorized('other audience', 'RFC 8725 §3.9', altered({}, { aud: 'https://probe.example' })),
  unauthorized('other issuer', 'RFC 8725 §3.8', altered({}, { iss: 'https://probe.example' })),
  unauthorized(
    'other ticket id',
    'RFC 8725 §3.3',
    altered({}, { jti: '00000000-0000-4000-8000-000000000000' }),
  ),
  unauthorized('unsigned', 'RFC 8725 §3.1', (good) => {
    const [head, payload] = partsOf(good.ticket);
    return withTicket(good, `${encode({ ...decode(head), alg: 'none' })}.${payload}.`);
  }),
  unauthorized('unsigned, in mixed case', 'RFC 8725 §3.1', (good) => {
    const [head, payload] = partsOf(good.ticket);
    return withTicket(good, `${encode({ ...decode(head), alg: 'nOnE' })}.${payload}.`);
  }),
  unauthorized('other algorithm', 'RFC 8725 §3.1', altered({ alg: 'HS256' })),
  unauthorized(
    'a MAC with the published key as JSON',
    'RFC 8725 §2.1',
    macBy((jwk) => JSON.stringify(jwk)),
  ),
  unauthorized('a MAC with the published key as PEM', 'RFC 8725 §2.1', macBy(pemOf)),
  unauthorized('other type', 'RFC 8725 §3.11', altered({ typ: 'JWT' })),
  unauthorized('the type of a command', 'RFC 8725 §3.11', altered({ typ: 'agent-control+jwt' })),
  unauthorized('an unknown critical header', 'RFC 7515 §4.1.11', altered({ crit: ['probe'], probe: true })),
  unauthorized(
    'unknown key',
    'RFC 7515 §4.1.4',
    forged(() => ({ kid: 'unknown' })),
  ),
  unauthorized(
    'forged with the id of a published key',
    'RFC 8725 §3.3',
    forged(() => ({})),
  ),
  unauthorized(
    'key in the header',
    'RFC 8725 §3.10',
    forged((jwk) => ({ jwk })),
  ),
  unauthorized(
    'address of a key in the header',
    'RFC 8725 §3.10',
    forged(() => ({ jku: 'https://probe.example/keys' })),
  ),
  {
    ...{ name: 'other instance', clause: 'The agent worker, admission', close: FORBIDDEN },
    present: elsewhere(({ agent, instance }) => `${agent}/${other(instance)}`),
  },
  {
    ...{ name: 'other agent', clause: 'The agent worker, admission', close: UNKNOWN },
    present: elsewhere(({ agent, instance }) => `${other(agent)}/${instance}`),
  },
  {
    ...{ name: 'a ticket for plain requests', clause: 'The agent worker, admission', close: FORBIDDEN },
    present: (good) => withTicket(good, good.httpTicket),
  },
];

/** Each throws where its presentation is the good one: that would use the good ticket up, and be a false alarm. */
export const BAD_TICKETS: readonly BadTicket[] = ALL.map((bad) => ({
  ...bad,
  async present(good) {
    const presentation = await bad.present(good);
    if (isGood(presentation, good)) throw new Error(`"${bad.name}" presents the good ticket as it is`);
    return presentation;
  },
}));

function isGood({ url, protocols, headers = {} }: Presentation, good: Good): boolean {
  const { searchParams } = new URL(url);
  const shown = [
    ...searchParams.getAll(QUERY_PARAMETER),
    ...protocols.filter((each) => each !== SUBPROTOCOL),
    ...Object.values(headers).map((value) => value.replace(/^Bearer /, '')),
  ];
  return url.replace(/\?.*$/, '') === good.url && shown.length === 1 && shown[0] === good.ticket;
}
