import { inject } from 'vitest';
import * as z from 'zod';
import { post } from '../e2e/broker.ts';

/** An access token for the broker's API, as an app gets it from the tenant. */
export async function auth0Token(sub: string, expiresIn = 3600): Promise<string> {
  const answer = await post(inject('stack').auth0.tokenUrl, {}, { sub, expiresIn });
  return z.object({ token: z.string() }).parse(await answer.json()).token;
}
