import * as z from 'zod';
import type { StackFacts } from '../start/stack.ts';
import { jsonRequest, openLane } from './http-lane.ts';

const Minted = z.object({ ticket: z.string(), protocols: z.array(z.string()) });

export interface Ticket {
  readonly instance: string;
  readonly ticket: string;
  readonly protocols: readonly string[];
}

const LANES = 16;
const LIFE_SECONDS = 300;

export const instanceNames = (count: number): string[] =>
  Array.from({ length: count }, (_, number) => `bench-${number}`);

/** Tickets of the longest life for a counter, one for each name. By the admin token, which has no rate limit. */
export async function mintTickets(
  { broker, adminToken }: StackFacts,
  instances: readonly string[],
): Promise<Ticket[]> {
  const url = new URL('/tickets', broker);
  const headers = { authorization: `Bearer ${adminToken.clientSecret}` };
  const left = [...instances];
  const minted: Ticket[] = [];
  await Promise.all(
    Array.from({ length: Math.min(LANES, left.length) }, async () => {
      const lane = await openLane(url);
      for (let instance = left.pop(); instance !== undefined; instance = left.pop()) {
        const body = { agent: 'counter', instance, expires_in: LIFE_SECONDS };
        const answer = await lane.ask(jsonRequest(url, body, headers), 201);
        minted.push({ instance, ...Minted.parse(JSON.parse(answer)) });
      }
      lane.close();
    }),
  );
  return minted;
}
