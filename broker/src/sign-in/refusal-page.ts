import { type Denial, httpErrorOf } from '@agent-ticket/shared/denial.ts';
import { html } from 'hono/html';
import { renderError } from '../http/answer.ts';
import type { ErrorRenderer } from '../http/context.ts';
import { plainPage } from '../http/plain-page.ts';

/**
 * Renders the refusal of a sign-in: a page for a person, and the usual body for a program, which does not ask for HTML.
 * Status and headers are the same. `returnTo` is the link back, given only where this browser is known to come from
 * there. Does NOT check `returnTo`.
 */
export const refuseSignIn =
  (returnTo?: string): ErrorRenderer =>
  (denial, requestId, rate, request) => {
    const plain = renderError(denial, requestId, rate);
    if (!(request?.headers.get('accept') ?? '').includes('text/html')) return plain;
    const { headers, status } = plain;
    headers.set('content-type', 'text/html; charset=utf-8');
    return new Response(pageOf(denial, requestId, headers.get('retry-after'), returnTo), { status, headers });
  };

function pageOf(denial: Denial, requestId: string, retryAfter: string | null, returnTo?: string): string {
  const { status, code, message } = httpErrorOf(denial);
  const wait = retryAfter === null ? '' : ` Try again in ${retryAfter} seconds.`;
  const again = `/auth/login?return_to=${encodeURIComponent(returnTo ?? '')}`;
  const ways =
    returnTo === undefined
      ? 'Go back to the app that you came from.'
      : html`<a href="${again}">Sign in</a> or <a href="${returnTo}">go back to the app</a>.`;
  return plainPage('This sign-in did not go through', [
    `${CAUSES[status] ?? 'Something went wrong.'}${wait}`,
    ways,
    html`<small>${status} ${code}: ${message}. Request ${requestId}.</small>`,
  ]);
}

const CAUSES: Readonly<Record<number, string>> = {
  // Also for a user who goes back to this page after a successful sign-in.
  400: 'It is over already, or was begun too long ago or in another browser, or the link that led here is wrong.',
  401: 'It was not completed.',
  404: 'Nobody signs in here.',
  429: 'Too many people are signing in from your network.',
  503: 'Signing in is not possible at the moment.',
};
