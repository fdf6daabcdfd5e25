import * as z from 'zod';
import type { StackFacts } from '../start/stack.ts';
import { jsonRequest, openLane } from './http-lane.ts';

const Minted = z.object({ ticket: z.string(), protocols: z.array(z.string()) });
const Created = z.object({ client_secret: z.string() });

export interface Ticket {
  readonly url: URL;
  readonly protocols: readonly string[];
}

/** Who asks for a ticket for which instance. */
export interface Order {
  readonly instance: string;
  readonly secret: string;
}

/** A principal may have 16 sockets in one counter, so several share the sockets of an object. */
const PRINCIPALS = 16;
const LANES = 16;
const LIFE_SECONDS = 300;

export const instanceNames = (count: number): string[] =>
  Array.from({ length: count }, (_, number) => `bench-${number}`);

const secretsOf = new WeakMap<StackFacts, readonly string[]>();

/** Secrets of service tokens of the tier without a rate limit, made once for a stack. */
export async function principalSecrets(facts: StackFacts): Promise<readonly string[]> {
  const known = secretsOf.get(facts);
  if (known !== undefined) return known;
  const url = new URL('/admin/service-tokens', facts.broker);
  const lane = await openLane(url);
  const secrets: string[] = [];
  const headers = { authorization: `Bearer ${facts.adminToken.clientSecret}` };
  for (let number = 0; number < PRINCIPALS; number++) {
    const answer = await lane.ask(jsonRequest(url, { name: `bench ${number}`, tier: 'admin' }, headers), 201);
    secrets.push(Created.parse(JSON.parse(answer)).client_secret);
  }
  lane.close();
  secretsOf.set(facts, secrets);
  return secrets;
}

/** Orders for so many sockets, distributed evenly among objects and in each among principals. */
export async function orders(facts: StackFacts, count: number, objects: number): Promise<Order[]> {
  const secrets = await principalSecrets(facts);
  return Array.from({ length: count }, (_, number) => ({
    instance: `bench-${number % objects}`,
    secret: secrets[Math.floor(number / objects) % secrets.length] ?? '',
  }));
}

/** Mints on a connection of its own. */
export async function openMinter({ broker, agentWorker }: StackFacts) {
  const url = new URL('/tickets', broker);
  const lane = await openLane(url);
  return {
    async mint({ instance, secret }: Order): Promise<Ticket> {
      const body = { agent: 'counter', instance, expires_in: LIFE_SECONDS };
      const request = jsonRequest(url, body, { authorization: `Bearer ${secret}` });
      const { protocols } = Minted.parse(JSON.parse(await lane.ask(request, 201)));
      return { url: new URL(`/agents/counter/${instance}`, agentWorker), protocols };
    },
    close: () => lane.close(),
  };
}

/** Tickets of the longest life, in the order of their orders. */
export async function mintTickets(facts: StackFacts, wanted: readonly Order[]): Promise<Ticket[]> {
  const minted: Ticket[] = [];
  let next = 0;
  const lane = async (): Promise<void> => {
    const minter = await openMinter(facts);
    for (let at = next++; at < wanted.length; at = next++) {
      const order = wanted[at];
      if (order !== undefined) minted[at] = await minter.mint(order);
    }
    minter.close();
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  return minted;
}
