import { expect, inject } from 'vitest';
import * as z from 'zod';
import { post } from './broker.ts';
import { Browser } from './browser.ts';

const Minted = z.object({ ticket: z.string(), session_expires_at: z.iso.datetime() });

/** A person's ticket by the session cookie, as for a page of the broker's own origin. */
export async function mintBy(cookie: string, instance: string, other: object = {}) {
  const { broker } = inject('stack');
  const headers = { cookie, origin: new URL(broker).origin };
  const answer = await post(`${broker}/tickets`, headers, { agent: 'counter', instance, ...other });
  expect(answer.status).toBe(201);
  return Minted.parse(await answer.json());
}

/** Signs in at the tenant, in a browser of its own unless one is given. */
export async function signedIn(name: string, browser = new Browser()): Promise<Browser> {
  await browser.follow(`${inject('stack').broker}/auth/login?login_hint=${name}&return_to=/me`);
  return browser;
}
