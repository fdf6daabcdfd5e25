import { LOOK_DIGEST } from '@agent-ticket/shared/look.ts';
import { beforeAll, beforeEach, expect, it } from 'vitest';
import { bodyOf } from '../answers.ts';
import { BROKER, NOW } from '../start-broker.ts';
import { cookiesOf, freezeClock, go, openTenant, type TenantSetup } from './tenant.ts';

freezeClock();
let at: TenantSetup;
beforeAll(async () => {
  at = await openTenant();
});
beforeEach(() => {
  at.tokenAnswer = undefined;
  at.broker.clock.now = NOW;
  at.broker.caller.address = crypto.randomUUID();
});

/** As browsers open pages. */
const ACCEPT = 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8';

/** Sets out for the tenant, and comes back with what it says. */
async function comeBack(says: string, returnTo: string, headers: Record<string, string>): Promise<Response> {
  const left = await go(at, `/auth/login?return_to=${encodeURIComponent(returnTo)}`);
  const state = new URL(left.headers.get('location') ?? '').searchParams.get('state');
  return go(at, `/auth/callback?${says}&state=${state}`, { cookie: cookiesOf(left), ...headers });
}

it('a person who cancels at the tenant gets a page with the ways on', async () => {
  const answer = await comeBack('error=access_denied', 'https://app.test/a?x=1&y=2', { accept: ACCEPT });
  expect([answer.status, answer.headers.get('content-type')]).toEqual([401, 'text/html; charset=utf-8']);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(answer.headers.get('content-security-policy')).toContain(`style-src ${LOOK_DIGEST};`);
  const page = await answer.text();
  expect(page).toContain('<p>It was not completed.</p>');
  expect(page).toContain('<a href="https://app.test/a?x=1&amp;y=2">go back to the app</a>');
  expect(page).toContain(
    '<a href="/auth/login?return_to=https%3A%2F%2Fapp.test%2Fa%3Fx%3D1%26y%3D2">Sign in</a>',
  );
  expect(page).toContain(answer.headers.get('x-request-id') ?? 'no request id');
});

it('nothing of an address becomes a part of the page', async () => {
  const address = 'https://app.test/?"><script>alert(1)</script>';
  const page = await (await comeBack('error=access_denied', address, { accept: ACCEPT })).text();
  expect(page).not.toContain('<script');
});

it('a sign-in that this browser did not begin leads nowhere but back', async () => {
  const answer = await go(at, '/auth/callback?code=c&state=s', { accept: ACCEPT });
  expect(answer.status).toBe(400);
  const page = await answer.text();
  expect(page).toContain('begun too long ago or in another browser');
  expect(page).not.toContain('href');
});

it('names a tenant that is away, and when to try again', async () => {
  at.tokenAnswer = () => new Response('oops', { status: 502 });
  const answer = await comeBack('code=c', `${BROKER}/`, { accept: ACCEPT });
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
  expect(await answer.text()).toContain('not possible at the moment. Try again in 5 seconds.');
});

it('a limit that is met looks the same', async () => {
  const cancel = () => comeBack('error=access_denied', `${BROKER}/`, { accept: ACCEPT });
  for (let tries = 0; tries < 60; tries += 1) await cancel();
  const answer = await cancel();
  expect([answer.status, answer.headers.get('content-type')]).toEqual([429, 'text/html; charset=utf-8']);
  expect(await answer.text()).toMatch(/from your network\. Try again in \d+ seconds\./);
});

it('a program that asks for no page gets the refusal as everywhere', async () => {
  const answer = await comeBack('error=access_denied', `${BROKER}/`, {});
  expect(answer.status).toBe(401);
  expect(await bodyOf(answer)).toMatchObject({ error: { code: 'UNAUTHORIZED' } });
});
