import { readKeySet } from '@agent-ticket/shared/key-set.ts';
import { CONNECT } from '@agent-ticket/shared/scope.ts';
import { verifyTicket } from '@agent-ticket/shared/verify-ticket.ts';
import * as z from 'zod';
import type { StackFacts } from '../start/stack.ts';
import { type Contest, repeated, type Work } from './rounds.ts';
import { firstFrame, refused } from './sockets.ts';

const LANES = 16;
/** Objects that connections are spread over, awake after the first round. */
const INSTANCES = 64;

const Answer = z.object({ ticket: z.string(), protocols: z.array(z.string()) });
type Minted = z.infer<typeof Answer>;

/** The hot paths, each against the least that could be done in its place on the same machine in the same minute. */
export async function contests(facts: StackFacts, floorUrl: string): Promise<readonly Contest[]> {
  const floorSocket = floorUrl.replace('http:', 'ws:');
  const agentSocket = facts.agentWorker.replace('http:', 'ws:');
  const rooms = turns(INSTANCES);
  const mint = (instance: string, expiresIn = 60) => mintTicket(facts, instance, expiresIn);
  return [
    {
      name: 'mint',
      ours: 'POST /tickets with a service token: authenticate, decide, record, sign, verify',
      floor: 'a bare worker on the same trips: two reads, one note, a signature made and checked',
      atLeast: 0.4,
      work: {
        ours: repeated(() => mint('bench'), LANES),
        floor: repeated(() => posted(`${floorUrl}/sign`, { agent: 'counter', instance: 'bench' }), LANES),
      },
    },
    {
      name: 'verify',
      ours: 'verifyTicket with the key at hand',
      floor: 'one ES256 signature check by WebCrypto',
      atLeast: 0.4,
      work: await verification(facts, await mint('bench', 300)),
    },
    {
      name: 'admit',
      ours: 'upgrade with a ticket to its first frame: verify, burn, open the session',
      floor: 'an agent open to all by routeAgentRequest, which writes as many rows',
      atLeast: 0.3,
      work: {
        ours: admissions(
          (room) => mint(room, 300),
          (room, { protocols }) => firstFrame(`${agentSocket}/agents/counter/${room}`, protocols),
        ),
        floor: repeated(() => firstFrame(`${floorSocket}/agents/bare/${rooms()}`), LANES),
      },
    },
    {
      name: 'refuse',
      ours: 'upgrade with a ticket that nobody signed',
      floor: 'a bare worker that answers a constant',
      atLeast: 0.3,
      work: {
        ours: repeated(() => refused(`${agentSocket}/agents/counter/bench`, 'e30.e30.e30'), LANES),
        floor: repeated(async () => (await fetch(`${floorUrl}/still`)).arrayBuffer(), LANES),
      },
    },
  ];
}

/** Names of rooms, one after the other and again from the first. */
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

/** The admin token has no limit per minute, so that a bench measures work and not a limit. */
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

/** Tickets are single-use, so each round takes from a stock that was minted before its time began. */
function admissions(
  mint: (room: string) => Promise<Minted>,
  connect: (room: string, minted: Minted) => Promise<void>,
): Work {
  const room = turns(INSTANCES);
  const stock: { readonly room: string; readonly minted: Minted }[] = [];
  return async (forMs) => {
    const wanted = forMs;
    while (stock.length < wanted) {
      const names = Array.from({ length: LANES }, room);
      stock.push(
        ...(await Promise.all(names.map(async (name) => ({ room: name, minted: await mint(name) })))),
      );
    }
    return repeated(async () => {
      const next = stock.pop();
      if (next === undefined) throw new Error(`more than ${wanted} connections in ${forMs} ms: mint more`);
      await connect(next.room, next.minted);
    }, LANES)(forMs);
  };
}

async function verification(facts: StackFacts, { ticket }: Minted): Promise<Contest['work']> {
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
