import { LOOK_DIGEST } from '@agent-ticket/shared/look.ts';
import { expect, it } from 'vitest';
import { call } from './call.ts';

it('the first page, where signing in and out may end, is a page for people', async () => {
  const { status, headers, text } = await call('/');
  expect([status, headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
  expect(text).toContain('Go back to the app that you came from');
});

it('its style is the one that the policy lets in', async () => {
  const { headers, text } = await call('/');
  const style = /<style>(.*)<\/style>/s.exec(text)?.[1];
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(style)));
  expect(LOOK_DIGEST).toBe(`'sha256-${btoa(String.fromCharCode(...digest))}'`);
  expect(headers.get('content-security-policy')).toContain(`style-src ${LOOK_DIGEST};`);
});
