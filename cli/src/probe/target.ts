import type { Ticket } from '@agent-ticket/broker/src/openapi/generated-types.ts';
import { hex } from '@agent-ticket/shared/hex.ts';
import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import { generateKeyPair, type JWK } from 'jose';
import * as z from 'zod';
import { type Access, authorization, findAccess } from '../api/access.ts';
import { refusalOf } from '../api/client.ts';
import { type Terminal, UsageError } from '../command.ts';
import { decode, type Good, partsOf } from './bad-tickets.ts';
import { isOpen, open, type Presentation, type Seen, type Socket, show } from './socket.ts';

export interface Asked {
  readonly agent: string;
  readonly instance?: string | undefined;
  readonly profile?: string | undefined;
}

/** The data that a run has written into the deployment, besides the log. */
export interface Written {
  tickets: number;
  sessions: number;
  revocations: number;
}

/** A request. It has the credential only with the headers of `own`. */
export interface Request {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array<ArrayBuffer>;
}

/** An answer over HTTP, read to its end. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined: the text is not JSON. */
  readonly body: unknown;
}

async function readAnswer(response: Response): Promise<Answer> {
  const text = await response.text();
  return { status: response.status, headers: response.headers, text, body: parseJson(text) };
}

export type Minted = Pick<Ticket, 'ticket' | 'url' | 'protocols' | 'jti' | 'scope' | 'agent' | 'instance'>;
const Minted: z.ZodType<Minted> = z.object({
  ticket: z.string(),
  url: z.string(),
  protocols: z.tuple([z.literal('agent-ticket.v1'), z.string()]),
  jti: z.string(),
  scope: z.string(),
  agent: z.string(),
  instance: z.string(),
});
const KeySet = z.object({ keys: z.array(z.looseObject({ kid: z.string(), kty: z.string() })) });

/** A deployment, the credential for the checks, and one good ticket that no check uses up. */
export interface Target {
  readonly broker: string;
  /** Headers of the credential. */
  readonly own: Readonly<Record<string, string>>;
  /** Undefined: the credential is not a service token. */
  readonly client: { readonly id: string; readonly secret: string } | undefined;
  readonly good: Good;
  readonly scope: readonly string[];
  /** Address of the instance, for plain requests. */
  readonly httpUrl: string;
  readonly written: Written;
  readonly now: () => number;
  readonly wait: (ms: number) => Promise<void>;
  readonly randomName: () => string;
  /** Sends a request to a path of the broker, or to a whole address. Waits if the limit of the caller is reached. */
  readonly ask: (address: string, request?: Request) => Promise<Answer>;
  readonly mint: (members?: object) => Promise<Minted>;
  readonly show: (presentation: Presentation) => Promise<Seen>;
  /** Opens a session, or returns the refusal. The caller must close the socket. */
  readonly open: (
    presentation: Presentation,
  ) => Promise<{ readonly socket: Socket } | { readonly refused: string }>;
}

/** Finds the deployment by the broker of the credential, and mints the good tickets. */
export async function findTarget(asked: Asked, life: number, terminal: Terminal): Promise<Target> {
  const access = await findAccess(asked.profile, terminal);
  const own = await authorization(access);
  const written: Written = { tickets: 0, sessions: 0, revocations: 0 };
  const ask = asker(access, own, terminal);
  const mint = async (members: object = {}): Promise<Minted> => {
    const { agent, instance } = asked;
    const wanted = { agent, ...(instance !== undefined && { instance }), expires_in: life, ...members };
    const answer = await ask('/tickets', {
      ...{ method: 'POST', headers: { ...own, 'content-type': 'application/json' } },
      body: JSON.stringify(wanted),
    });
    const minted = Minted.safeParse(answer.body);
    if (answer.status !== 201 || !minted.success) {
      const { status, headers, text } = answer;
      throw await refusalOf(new Response(text, { status, headers }), access, terminal);
    }
    written.tickets += 1;
    return minted.data;
  };
  const { ticket, url, agent, instance, scope } = await mint();
  const { kid } = decode(partsOf(ticket)[0]);
  const keys = KeySet.safeParse((await ask('/.well-known/jwks.json')).body).data?.keys ?? [];
  const published: JWK = keys.find((key) => key.kid === kid) ?? { kty: 'none' };
  const bare = url.replace(/\?.*$/, '');
  return {
    ...{ broker: access.broker, own, written, ask, mint, now: terminal.now },
    client:
      access.credential?.kind === 'service-token'
        ? { id: access.credential.clientId, secret: access.credential.clientSecret }
        : undefined,
    good: {
      ...{ ticket, agent, instance, url: bare, published },
      httpTicket: (await mint({ transport: 'http' })).ticket,
      stranger: await generateKeyPair('ES256', { extractable: true }),
    },
    scope: scope.split(' '),
    httpUrl: bare.replace(/^ws/, 'http'),
    wait: (ms) => terminal.wait(ms),
    randomName: () => `probe-${hex(terminal.randomBytes(8))}`,
    async show(presentation) {
      const seen = await show(presentation, terminal);
      if (seen.admitted) written.sessions += 1;
      return seen;
    },
    async open(presentation) {
      const socket = open(presentation, terminal);
      // A refused socket closes at once and answers nothing. A client without the right to read gets no frame before a
      // ping.
      if ((await socket.opened()) === true && (await isOpen(socket))) {
        written.sessions += 1;
        return { socket };
      }
      socket.close();
      return { refused: (await socket.seen()).text };
    },
  };
}

/** Longer than the window of every limit, except the limit of instance names. */
const PATIENCE_S = 61;

/**
 * Retries after a 429 with a short wait, because the kit sends more requests than a person would. Throws where the
 * credential would go to another address than the broker's: a ticket names the agent worker, and anybody may run that.
 */
const asker =
  ({ broker }: Access, own: Target['own'], terminal: Terminal): Target['ask'] =>
  async (address, request = {}) => {
    const base = broker.replace(/\/$/, '');
    const url = address.startsWith('/') ? `${base}${address}` : address;
    const secrets = Object.values(own);
    if (
      !url.startsWith(`${base}/`) &&
      Object.values(request.headers ?? {}).some((each) => secrets.includes(each))
    )
      throw new Error('the credential is for the broker alone');
    for (let tries = 0; ; tries += 1) {
      const answer = await readAnswer(await fetchOf(url, request, terminal));
      const seconds = Number(answer.headers.get('retry-after') ?? Number.NaN);
      if (answer.status !== 429 || tries > 1 || !(seconds <= PATIENCE_S)) return answer;
      terminal.err(`The limit of this credential is reached; waiting ${seconds} s …\n`);
      await terminal.wait(seconds * 1000);
    }
  };

async function fetchOf(url: string, request: Request, terminal: Terminal): Promise<Response> {
  try {
    return await terminal.fetch(url, request);
  } catch (error) {
    // A fetch rejects with this class if there is no connection.
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(
      `${url} does not answer. Check the address and the network, then repeat the command.`,
      {
        code: 'UNREACHABLE',
      },
    );
  }
}

/** Posts a request for a ticket, with some members changed. A refused request makes no ticket. */
export const postTicket = (
  { ask, own, good }: Target,
  members: object | string | Uint8Array<ArrayBuffer>,
  headers: Readonly<Record<string, string>> = {},
  address = '/tickets',
): Promise<Answer> =>
  ask(address, {
    method: 'POST',
    headers: { ...own, 'content-type': 'application/json', ...headers },
    body:
      typeof members === 'string' || members instanceof Uint8Array
        ? members
        : JSON.stringify({ agent: good.agent, instance: good.instance, ...members }),
  });

export type Form = Readonly<Record<string, string>> | string[][];

/** Posts a form of OAuth. It has the credential unless other headers are given. */
export const postForm = (
  { ask, own }: Target,
  address: string,
  form: Form,
  headers: Readonly<Record<string, string>> = own,
): Promise<Answer> =>
  ask(address, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers },
    body: new URLSearchParams(Array.isArray(form) ? form : { ...form }).toString(),
  });
