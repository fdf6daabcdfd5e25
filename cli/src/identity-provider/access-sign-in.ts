import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AccessIssuer } from './access-issuer.ts';
import { Refusal, readText } from './http.ts';
import { PAGE_HEADERS, signInPage } from './pages.ts';
import { accessTokenRequest } from './token-requests.ts';

/**
 * The edge of Access in front of an application shows a browser a sign-in page and stores the application token in this
 * cookie. Cookies ignore ports, so every server on this loopback address receives it.
 */
const COOKIE = 'CF_Authorization';

/** A day is the usual duration of an Access session; a minute shows how sockets end with it. */
const LIFETIMES = [
  ['86400', 'a day'],
  ['60', 'a minute'],
] as const;

/** GET shows the sign-in page. POST takes a form of `email` and `expiresIn` (seconds), then redirects to `redirect_url`. */
export async function signInThroughAccess(
  access: AccessIssuer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const next = nextPage(request);
  if (request.method !== 'POST') {
    response.writeHead(200, PAGE_HEADERS);
    response.end(accessPage());
    return;
  }
  const form = new URLSearchParams(await readText(request));
  const wanted = accessTokenRequest.safeParse({
    email: form.get('email') ?? '',
    expiresIn: Number(form.get('expiresIn') ?? Number.NaN),
  });
  if (!wanted.success) throw new Refusal(400, 'email and expiresIn are needed', 'email');
  redirect(response, next, `${COOKIE}=${await access.token(wanted.data)}`);
}

/** Deletes the cookie and redirects to `redirect_url`. */
export function signOutOfAccess(request: IncomingMessage, response: ServerResponse): void {
  redirect(response, nextPage(request), `${COOKIE}=; Max-Age=0`);
}

function redirect(response: ServerResponse, next: URL, cookie: string): void {
  response.writeHead(303, {
    location: next.href,
    'set-cookie': `${cookie}; Path=/; HttpOnly; SameSite=Lax`,
    'cache-control': 'no-store',
  });
  response.end();
}

/** Pages on loopback only, so that this is no open redirect. */
function nextPage({ url = '/' }: IncomingMessage): URL {
  const text = new URL(url, 'http://127.0.0.1').searchParams.get('redirect_url') ?? '';
  const next = URL.canParse(text) ? new URL(text) : undefined;
  if (next?.protocol === 'http:' && ['127.0.0.1', 'localhost'].includes(next.hostname)) return next;
  throw new Refusal(400, 'redirect_url must be a page on loopback', 'redirect_url');
}

const accessPage = (): string =>
  signInPage({
    about: 'This plays Cloudflare Access for development.',
    field: 'email',
    value: 'email',
    before: `<p><label>Stay signed in for <select name="expiresIn">${LIFETIMES.map(
      ([seconds, text]) => `<option value="${seconds}">${text}</option>`,
    ).join('')}</select></label></p>`,
  });
