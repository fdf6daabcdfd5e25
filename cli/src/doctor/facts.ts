import { SUBPROTOCOL } from '@agent-ticket/shared/handshake.ts';
import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import { base64url } from 'jose';
import * as z from 'zod';
import { type Access, authorization } from '../api/access.ts';
import type { Terminal } from '../command.ts';
import { type Seen, show } from '../probe/socket.ts';

/** An answer over HTTP, of any kind. */
export interface Reply {
  readonly status: number;
  /** Undefined where it is no JSON object. */
  readonly body: Json | undefined;
  readonly headers: Headers;
}
const Json = z.record(z.string(), z.unknown());
type Json = z.infer<typeof Json>;

/** Everything that `doctor` looked at in a deployment. A reply is undefined where nothing answered, or nobody was asked. */
export interface Facts {
  readonly broker: string;
  readonly hasCredential: boolean;
  /** In ms. */
  readonly now: number;
  readonly health: Reply | undefined;
  readonly ready: Reply | undefined;
  readonly metadata: Reply | undefined;
  readonly keySet: Reply | undefined;
  readonly auditKeySet: Reply | undefined;
  readonly me: Reply | undefined;
  /** Of an operator. */
  readonly keys: Reply | undefined;
  /** The agent that a ticket was asked for; undefined where the credential may connect to none. */
  readonly agent: string | undefined;
  readonly ticket: Reply | undefined;
  /** Header and claims of the ticket, not verified. */
  readonly header: Json | undefined;
  readonly claims: Json | undefined;
  /** Of the agent's address, without a ticket. */
  readonly agentWorker: Reply | undefined;
  /** Of a socket with the ticket. */
  readonly socket: Pick<Seen, 'admitted' | 'code' | 'text'> | undefined;
  /** The origin of pages that is asked about. */
  readonly origin: string | undefined;
  readonly brokerPreflight: Reply | undefined;
  readonly agentWorkerFromOrigin: Reply | undefined;
}

export interface Asked {
  readonly agent?: string | undefined;
  readonly instance?: string | undefined;
  readonly origin?: string | undefined;
}

/** Asks a deployment. Opens one session, where the credential may have a ticket. */
export async function gatherFacts(asked: Asked, access: Access, terminal: Terminal): Promise<Facts> {
  const { broker } = access;
  const ask = (path: string, headers: Record<string, string> = {}) =>
    reply(`${broker}${path}`, { headers }, terminal);
  const own = await authorization(access);
  const hasCredential = access.credential !== undefined;
  const health = await ask('/healthz');
  const isBroker = health?.body?.status === 'ok';
  // Another server is not told the credential.
  const asking = <T>(question: () => Promise<T>): Promise<T | undefined> =>
    isBroker ? question() : Promise.resolve(undefined);

  const [ready, metadata, keySet, auditKeySet] = await Promise.all([
    asking(() => ask('/readyz')),
    asking(() => reply(metadataUrl(broker), {}, terminal)),
    asking(() => ask('/.well-known/jwks.json')),
    asking(() => ask('/.well-known/audit-jwks.json')),
  ]);
  const me = hasCredential ? await asking(() => ask('/me', own)) : undefined;
  const keys = me?.status === 200 ? await asking(() => ask('/admin/keys', own)) : undefined;
  const listed = await asking(() => ask('/api/agents', own));
  const agent = asked.agent ?? firstAgent(listed);
  const ticket =
    agent === undefined
      ? undefined
      : await asking(() =>
          reply(
            `${broker}/tickets`,
            {
              method: 'POST',
              headers: { ...own, 'content-type': 'application/json' },
              body: JSON.stringify({ agent, instance: asked.instance }),
            },
            terminal,
          ),
        );
  const text = ticket?.body?.ticket;
  const [header, claims] = typeof text === 'string' ? text.split('.').map(decoded) : [];
  const url = typeof ticket?.body?.url === 'string' ? ticket.body.url.replace(/\?.*$/, '') : undefined;
  const http = url?.replace(/^ws/, 'http');
  const { origin } = asked;
  // What a page may do needs no ticket, only the address of the agent.
  const page = http ?? addressIn(listed, agent, asked.instance);
  return {
    ...{ broker, hasCredential, now: terminal.now(), health, ready, metadata, keySet, auditKeySet, me, keys },
    ...{ agent, ticket, header, claims, origin },
    agentWorker: http === undefined ? undefined : await reply(http, {}, terminal),
    socket:
      url === undefined || typeof text !== 'string'
        ? undefined
        : await show({ url, protocols: [SUBPROTOCOL, text] }, terminal),
    brokerPreflight:
      origin === undefined
        ? undefined
        : await asking(() =>
            reply(
              `${broker}/tickets`,
              { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } },
              terminal,
            ),
          ),
    agentWorkerFromOrigin:
      origin === undefined || page === undefined
        ? undefined
        : await reply(page, { headers: { origin } }, terminal),
  };
}

/** RFC 8414 §3: the path of the issuer comes last. */
function metadataUrl(broker: string): string {
  const { origin, pathname } = new URL(broker);
  return `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`;
}

async function reply(url: string, request: RequestInit, terminal: Terminal): Promise<Reply | undefined> {
  try {
    const response = await terminal.fetch(url, request);
    return { status: response.status, headers: response.headers, body: object(await response.text()) };
  } catch (error) {
    // A fetch without a connection rejects with this class.
    if (error instanceof TypeError) return undefined;
    throw error;
  }
}

const object = (text: string): Json | undefined => Json.safeParse(parseJson(text)).data;

const decoded = (part: string): Json | undefined => object(new TextDecoder().decode(base64url.decode(part)));

const Agents = z.object({
  items: z.array(
    z.object({ agent: z.string(), transport: z.string(), access: z.string(), url: z.string().optional() }),
  ),
});

/** The address of an instance, of an agent that the caller may use. */
function addressIn(answer: Reply | undefined, agent: string | undefined, instance = 'default') {
  const url = Agents.safeParse(answer?.body).data?.items.find((each) => each.agent === agent)?.url;
  return url === undefined ? undefined : `${url}/${instance}`;
}

/** One that needs no instance of its own. */
export function firstAgent(answer: Reply | undefined): string | undefined {
  const read = Agents.safeParse(answer?.body);
  const fit = read.data?.items.filter(
    ({ transport, access }) => transport !== 'sse' && access !== 'first-user',
  );
  return fit?.[0]?.agent;
}
