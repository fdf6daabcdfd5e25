import { type Denial, httpErrorOf } from '@agent-ticket/shared/denial.ts';
import { renderError } from '../http/answer.ts';
import type { ErrorRenderer } from '../http/call.ts';
import { escapeHtml, plainPage } from '../http/plain-page.ts';

/**
 * How a refused sign-in looks: a page for the person who is on the way, and as everywhere to a program, which does not
 * ask for HTML. Status and headers are the same. `returnTo`, where it is known that this browser set out from there,
 * leads back; it must have been checked.
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
  const again = returnTo && `/auth/login?return_to=${encodeURIComponent(returnTo)}`;
  const ways =
    again === undefined
      ? 'Go back to the app that you came from.'
      : `<a href="${escapeHtml(again)}">Sign in</a> or <a href="${escapeHtml(returnTo ?? '')}">go back to the app</a>.`;
  return plainPage('This sign-in did not go through', [
    `${WORDS[status] ?? 'Something went wrong.'}${wait}`,
    ways,
    `<small>${status} ${code}: ${escapeHtml(message)}. Request ${escapeHtml(requestId)}.</small>`,
  ]);
}

const WORDS: Readonly<Record<number, string>> = {
  // Also for somebody who goes back to this page after a sign-in that went well.
  400: 'It is over already, or was begun too long ago or in another browser, or the link that led here is wrong.',
  401: 'It was not completed.',
  404: 'Nobody signs in here.',
  429: 'Too many people are signing in from your network.',
  503: 'Signing in is not possible at the moment.',
};
