import { readKeySet } from '@agent-ticket/shared/key-set.ts';
import { CONNECT } from '@agent-ticket/shared/scope.ts';
import { verifyTicket } from '@agent-ticket/shared/verify-ticket.ts';
import * as z from 'zod';
import { type Measure, perSecond } from './rounds.ts';
import type { Row } from './row.ts';
import type { Servers } from './servers.ts';
import { mintTickets, orders } from './tickets.ts';

/** What the verifier adds to a check of a signature, in this process. */

async function signed(servers: Servers) {
  const { facts } = await servers.stack();
  const [minted] = await mintTickets(facts, await orders(facts, 1, 1));
  const ticket = minted?.protocols.find((protocol) => protocol.split('.').length === 3) ?? '';
  const set = await fetch(new URL('/.well-known/jwks.json', facts.broker));
  const keys = await readKeySet(new Uint8Array(await set.arrayBuffer()), ['ES256']);
  const [head, payload, signature] = ticket.split('.');
  const { kid } = z
    .object({ kid: z.string() })
    .parse(JSON.parse(Buffer.from(head ?? '', 'base64url').toString()));
  const found = keys?.get(kid);
  if (found === undefined) throw new Error('the key of the ticket is not published');
  return { facts, ticket, found, content: `${head}.${payload}`, signature: signature ?? '' };
}

async function ours(servers: Servers, forMs: number): Promise<Measure> {
  const { facts, ticket, found } = await signed(servers);
  const expected = {
    issuer: facts.issuer,
    audience: facts.audience,
    nowSeconds: Math.floor(Date.now() / 1000),
    route: { agent: 'counter', instance: 'bench-0' },
    scope: CONNECT,
    transport: 'websocket' as const,
    findKey: async () => ({ ok: true as const, value: found }),
  };
  const once = async () => {
    if (!(await verifyTicket(ticket, expected)).ok) throw new Error('the ticket does not verify');
  };
  return () => perSecond([once], forMs);
}

async function floor(servers: Servers, forMs: number): Promise<Measure> {
  const { found, content, signature } = await signed(servers);
  const bytes = new TextEncoder().encode(content);
  const raw = new Uint8Array(Buffer.from(signature, 'base64url'));
  const once = async () => {
    if (!(await crypto.subtle.verify({ name: 'ECDSA', hash: 'SHA-256' }, found.key, raw, bytes)))
      throw new Error('bad signature');
  };
  return () => perSecond([once], forMs);
}

export const verifyRows: readonly Row[] = [
  {
    name: 'verify',
    does: 'verifyTicket with a cached key, on Node',
    unit: '/s',
    better: 'more',
    isQuick: true,
    ours,
    floors: [
      {
        trips: 'none',
        does: 'one ES256 signature check by WebCrypto',
        bounds: { goal: 0.7, limit: 0.4 },
        prepare: floor,
      },
    ],
  },
];
