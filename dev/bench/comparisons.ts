import { readKeySet } from '@agent-ticket/shared/key-set.ts';
import { CONNECT } from '@agent-ticket/shared/scope.ts';
import { verifyTicket } from '@agent-ticket/shared/verify-ticket.ts';
import * as z from 'zod';
import type { StackFacts } from '../start/stack.ts';
import { type Comparison, repeated, type Work } from './rounds.ts';

const LANES = 16;
/** Number of objects among which connections are distributed; all are awake after the first round. */
const INSTANCES = 64;

const Answer = z.object({ ticket: z.string(), protocols: z.array(z.string()) });
type Minted = z.infer<typeof Answer>;

/** The hot paths, each with the least that could replace it on the same machine in the same minute. */
export async function comparisons(facts: StackFacts, floorUrl: string): Promise<readonly Comparison[]> {
  const floorSocket = floorUrl.replace('http:', 'ws:');
  const agentSocket = facts.agentWorker.replace('http:', 'ws:');
  const nextInstance = turns(INSTANCES);
  const mint = (instance: string, expiresIn = 60) => mintTicket(facts, instance, expiresIn);
  return [
    {
      name: 'mint',
      ours: 'POST /tickets with a service token: authenticate, decide, record, sign, verify',
      floor: 'a bare worker on the same trips: two reads, one row in an object, a signature made and checked',
      atLeast: 0.4,
      work: {
        ours: repeated(() => mint('bench'), LANES),
        floor: repeated(() => posted(`${floorUrl}/sign`, { agent: 'counter', instance: 'bench' }), LANES),
      },
    },
    {
      name: 'verify',
      ours: 'verifyTicket with a cached key',
      floor: 'one ES256 signature check by WebCrypto',
      atLeast: 0.4,
      work: await verification(facts, await mint('bench', 300)),
    },
    {
      name: 'admit',
      ours: 'upgrade with a ticket to its first frame: verify, consume, open the session',
      floor: 'an agent behind routeAgentRequest without authentication, which writes as many rows',
      atLeast: 0.3,
      work: {
        ours: admissions(
          (instance) => mint(instance, 300),
          (instance, { protocols }) => firstFrame(`${agentSocket}/agents/counter/${instance}`, protocols),
        ),
        floor: repeated(() => firstFrame(`${floorSocket}/agents/bare/${nextInstance()}`), LANES),
      },
    },
    {
      name: 'refuse',
      ours: 'upgrade with an unsigned ticket',
      floor: 'a bare worker that answers a constant',
      atLeast: 0.3,
      work: {
        ours: repeated(() => refused(`${agentSocket}/agents/counter/bench`, 'e30.e30.e30'), LANES),
        floor: repeated(async () => (await fetch(`${floorUrl}/still`)).arrayBuffer(), LANES),
      },
    },
  ];
}

/** Names of instances in turn, again from the first after the last. */
function turns(count: number): () => string {
  let next = 0;
  return () => `bench-${next++ % count}`;
}

async function posted(url: string, body: unknown, authorization?: string): Promise<unknown> {
  const answer = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...(authorization ? { authorization } : {}) },
    body: JSON.stringify(body),
  });
  if (answer.status !== 201) throw new Error(`${url} answered ${answer.status}: ${await answer.text()}`);
  return answer.json();
}

/** By the admin token, which has no rate limit. */
const mintTicket = async (
  { broker, adminToken }: StackFacts,
  instance: string,
  expiresIn: number,
): Promise<Minted> =>
  Answer.parse(
    await posted(
      `${broker}/tickets`,
      { agent: 'counter', instance, expires_in: expiresIn },
      `Bearer ${adminToken.clientSecret}`,
    ),
  );

/** Tickets are single-use, so each round takes them from a stock that is minted before its time begins. */
function admissions(
  mint: (instance: string) => Promise<Minted>,
  connect: (instance: string, minted: Minted) => Promise<void>,
): Work {
  const nextInstance = turns(INSTANCES);
  const stock: { readonly instance: string; readonly minted: Minted }[] = [];
  return async (forMs) => {
    const wanted = forMs;
    while (stock.length < wanted) {
      const names = Array.from({ length: LANES }, nextInstance);
      stock.push(
        ...(await Promise.all(names.map(async (name) => ({ instance: name, minted: await mint(name) })))),
      );
    }
    return repeated(async () => {
      const next = stock.pop();
      if (next === undefined) throw new Error(`more than ${wanted} connections in ${forMs} ms: mint more`);
      await connect(next.instance, next.minted);
    }, LANES)(forMs);
  };
}

async function verification(facts: StackFacts, { ticket }: Minted): Promise<Comparison['work']> {
  const set = await fetch(`${facts.broker}/.well-known/jwks.json`);
  const keys = await readKeySet(new Uint8Array(await set.arrayBuffer()), ['ES256']);
  const [head, payload, signature] = ticket.split('.');
  const { kid } = z
    .object({ kid: z.string() })
    .parse(JSON.parse(Buffer.from(head ?? '', 'base64url').toString()));
  const found = keys?.get(kid);
  if (found === undefined) throw new Error('the key of the ticket is not published');
  const expected = {
    issuer: facts.issuer,
    audience: facts.audience,
    nowSeconds: Math.floor(Date.now() / 1000),
    route: { agent: 'counter', instance: 'bench' },
    scope: CONNECT,
    transport: 'websocket' as const,
    findKey: async () => ({ ok: true as const, value: found }),
  };
  const signed = new TextEncoder().encode(`${head}.${payload}`);
  const bytes = new Uint8Array(Buffer.from(signature ?? '', 'base64url'));
  const algorithm = { name: 'ECDSA', hash: 'SHA-256' };
  return {
    ours: repeated(async () => {
      if (!(await verifyTicket(ticket, expected)).ok) throw new Error('the ticket does not verify');
    }, 1),
    floor: repeated(async () => {
      if (!(await crypto.subtle.verify(algorithm, found.key, bytes, signed)))
        throw new Error('bad signature');
    }, 1),
  };
}

/** Opens a socket, waits for the first frame of the agent, and closes it. Rejects when it closes before. */
const firstFrame = (url: string, protocols: readonly string[] = []): Promise<void> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url, [...protocols]);
    socket.addEventListener('message', () => {
      socket.close(1000);
      resolve();
    });
    socket.addEventListener('close', ({ code, reason }) => reject(new Error(`${url}: ${code} ${reason}`)));
    socket.addEventListener('error', () => reject(new Error(`${url}: no connection`)));
  });

/** Requests a socket with a ticket that must not open one. A client that accepts JSON is refused by a status. */
async function refused(url: string, ticket: string): Promise<void> {
  const answer = await fetch(`${url.replace('ws:', 'http:')}`, {
    headers: { accept: 'application/json', authorization: `Bearer ${ticket}` },
  });
  await answer.arrayBuffer();
  if (answer.status !== 401) throw new Error(`${url}: ${answer.status} instead of 401`);
}
