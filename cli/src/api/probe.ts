import type { paths, Ticket } from '@agent-ticket/broker/src/openapi/generated-types.ts';
import { QUERY_PARAMETER, SUBPROTOCOL } from '@agent-ticket/shared/handshake.ts';
import { base64url, exportJWK, type GenerateKeyPairResult, generateKeyPair, type JWK } from 'jose';
import type { ExitCode, Terminal } from '../command.ts';
import { type Access, findAccess } from './access.ts';
import { dataOf, openClient } from './client.ts';
import { painter } from './paint.ts';
import { json, plain } from './plain-text.ts';
import type { Common } from './row.ts';

interface ProbeOptions extends Common {
  readonly agent: string;
  readonly instance?: string | undefined;
}

/** Long enough for every row below. */
const TICKET_SECONDS = 120;
/** A socket that was not closed until then was admitted. A refusal closes at once. */
const SETTLED_MS = 5_000;

interface Presentation {
  readonly url: string;
  readonly protocols: readonly string[];
}

/** Bad tickets that are presented in place of a good one, made of it. */
interface Fault {
  readonly name: string;
  readonly present: (good: Good) => Presentation | Promise<Presentation>;
}

interface Good {
  readonly ticket: string;
  /** Of the instance, without a query. */
  readonly url: string;
  readonly agent: string;
  readonly instance: string;
  /** The same rights, for plain requests only. */
  readonly httpTicket: string;
  readonly stranger: GenerateKeyPairResult;
}

const withTicket = ({ url }: Good, ticket: string): Presentation => ({
  url,
  protocols: [SUBPROTOCOL, ticket],
});
const partsOf = ({ ticket }: Good): readonly [string, string, string] => {
  const [header = '', payload = '', signature = ''] = ticket.split('.');
  return [header, payload, signature];
};
const encode = (value: unknown): string => base64url.encode(JSON.stringify(value));
const decode = (part: string): object => Object(JSON.parse(new TextDecoder().decode(base64url.decode(part))));

/** The same ticket with other members in its header or its claims, and the signature of the good one. */
const altered =
  (header: object, claims: object = {}): Fault['present'] =>
  (good) => {
    const [head, payload, signature] = partsOf(good);
    const other = [encode({ ...decode(head), ...header }), encode({ ...decode(payload), ...claims })];
    return withTicket(good, [...other, signature].join('.'));
  };

/** A whole ticket by a key that the broker does not have. */
const forged =
  (header: (jwk: JWK) => object): Fault['present'] =>
  async (good) => {
    const [head, payload] = partsOf(good);
    const { publicKey, privateKey } = good.stranger;
    const jwk = await exportJWK(publicKey);
    const signed = `${encode({ ...decode(head), alg: 'ES256', ...header(jwk) })}.${payload}`;
    const how = { name: 'ECDSA', hash: 'SHA-256' };
    const signature = await crypto.subtle.sign(how, privateKey, new TextEncoder().encode(signed));
    return withTicket(good, `${signed}.${base64url.encode(new Uint8Array(signature))}`);
  };

/** The last characters may hold bits of no byte: one in the middle decides. */
function flipped(text: string): string {
  const middle = Math.floor(text.length / 2);
  return text.slice(0, middle) + (text[middle] === 'A' ? 'B' : 'A') + text.slice(middle + 1);
}

/** None of these uses the ticket up, so that one good ticket serves them all and is admitted after them. */
const FAULTS: readonly Fault[] = [
  { name: 'no ticket', present: ({ url }) => ({ url, protocols: [] }) },
  { name: 'no ticket beside the protocol', present: ({ url }) => ({ url, protocols: [SUBPROTOCOL] }) },
  {
    name: 'two tickets',
    present: (good) => ({
      ...withTicket(good, good.ticket),
      url: `${good.url}?${QUERY_PARAMETER}=${good.ticket}`,
    }),
  },
  { name: 'no JWT', present: (good) => withTicket(good, 'garbage') },
  { name: 'cut off', present: (good) => withTicket(good, good.ticket.slice(0, -20)) },
  {
    name: 'altered signature',
    present: (good) => {
      const [head, payload, signature] = partsOf(good);
      return withTicket(good, `${head}.${payload}.${flipped(signature)}`);
    },
  },
  { name: 'higher role', present: altered({}, { role: 'owner' }) },
  { name: 'longer life', present: altered({}, { exp: Math.floor(Number.MAX_SAFE_INTEGER / 1e6) }) },
  {
    name: 'unsigned',
    present: (good) => {
      const [head, payload] = partsOf(good);
      return withTicket(good, `${encode({ ...decode(head), alg: 'none' })}.${payload}.`);
    },
  },
  { name: 'other algorithm', present: altered({ alg: 'HS256' }) },
  { name: 'other type', present: altered({ typ: 'JWT' }) },
  { name: 'unknown key', present: forged(() => ({ kid: 'unknown' })) },
  { name: 'forged under a published key', present: forged(() => ({})) },
  { name: 'key in the header', present: forged((jwk) => ({ jwk })) },
  {
    name: 'other instance',
    present: (good) => ({
      ...withTicket(good, good.ticket),
      url: good.url.replace(/[^/]+$/, `${good.instance === 'probe-other' ? 'probe-another' : 'probe-other'}`),
    }),
  },
  {
    name: 'other agent',
    present: (good) => ({
      ...withTicket(good, good.ticket),
      url: good.url.replace(
        /[^/]+\/([^/]+)$/,
        `${good.agent === 'probe-other' ? 'probe-another' : 'probe-other'}/$1`,
      ),
    }),
  },
  { name: 'ticket for plain requests', present: (good) => withTicket(good, good.httpTicket) },
];

/** The outcome of an attempt to open a socket. */
export interface Seen {
  readonly admitted: boolean;
  /** Of a refusal: the close code. Undefined where there was no WebSocket at all. */
  readonly code?: number;
  readonly text: string;
}

/**
 * `agent-ticket probe`: a deployment admits one good ticket, once, and refuses seventeen bad ones. 1 where it does not.
 * Opens one session on the instance. Does NOT try an expired ticket: the probe would have to wait until one expires.
 */
export async function probe(options: ProbeOptions, terminal: Terminal): Promise<ExitCode> {
  const access = await findAccess(options.profile, terminal);
  const { url, ticket, agent, instance } = await mint(options, 'websocket', access, terminal);
  const good: Good = {
    ...{ ticket, agent, instance, url: url.replace(/\?.*$/, '') },
    httpTicket: (await mint(options, 'http', access, terminal)).ticket,
    stranger: await generateKeyPair('ES256', { extractable: true }),
  };
  const { green, red } = painter(terminal.colours);
  let failed = 0;
  const say = (name: string, expected: 'admitted' | 'refused', seen: Seen): void => {
    const isRight = expected === 'admitted' ? seen.admitted : isRefusal(seen);
    failed += isRight ? 0 : 1;
    if (options.json) terminal.out(`${json({ name, expected, ok: isRight, seen: seen.text })}\n`);
    else terminal.out(`${isRight ? green('ok   ') : red('FAULT')}  ${name.padEnd(30)} ${plain(seen.text)}\n`);
  };
  for (const { name, present } of FAULTS) say(name, 'refused', await show(await present(good), terminal));
  say('a good ticket', 'admitted', await show(withTicket(good, good.ticket), terminal));
  say('the same ticket again', 'refused', await show(withTicket(good, good.ticket), terminal));
  if (failed > 0)
    terminal.err(
      'The deployment does not do what it must. See "agent-ticket doctor"; where a bad ticket was admitted, lock everything: agent-ticket locks create everything\n',
    );
  return failed === 0 ? 0 : 1;
}

async function mint(
  { agent, instance }: ProbeOptions,
  transport: 'websocket' | 'http',
  access: Access,
  terminal: Terminal,
): Promise<Pick<Ticket, 'ticket' | 'url' | 'agent' | 'instance'>> {
  const { POST } = openClient<paths>(access, terminal);
  const body = { agent, ...(instance !== undefined && { instance }), transport, expires_in: TICKET_SECONDS };
  return dataOf(POST('/tickets', { body }));
}

/** Lasting refusals of the agent worker, and the used ticket; an outage proves nothing. */
const isRefusal = ({ admitted, code }: Seen): boolean =>
  !admitted && code !== undefined && ((code >= 4000 && code < 4100) || code === 3000);

/** Opens a socket, notes whether it is admitted, and closes it. */
export function show({ url, protocols }: Presentation, terminal: Terminal): Promise<Seen> {
  return new Promise((resolve) => {
    const socket = terminal.openSocket(url, protocols);
    const settled = new AbortController();
    let opened = false;
    const seen = (what: Seen): void => {
      settled.abort();
      resolve(what);
    };
    const admit = (text: string): void => {
      seen({ admitted: true, text });
      socket.close(1000);
    };
    socket.addEventListener('open', () => {
      opened = true;
      void terminal.wait(SETTLED_MS, settled.signal).then(() => admit('admitted'));
    });
    socket.addEventListener('message', () => admit('admitted'));
    socket.addEventListener('close', ({ code, reason }) =>
      seen(
        opened
          ? { admitted: false, code, text: `closed with ${code} ${reason}` }
          : { admitted: false, text: 'no WebSocket: something before the agent worker answered' },
      ),
    );
  });
}
