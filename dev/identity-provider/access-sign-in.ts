import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AccessIssuer } from './access-issuer.ts';
import { describePerson, PEOPLE } from './people.ts';
import { escapeHtml, PAGE_HEADERS, plainPage } from './plain-page.ts';
import { Refusal } from './refusal.ts';
import { readText } from './request-body.ts';
import { accessTokenRequest } from './token-requests.ts';

/**
 * What the edge does for a browser where Access stands before an application: shows a sign-in page, and leaves the
 * application token in a cookie. Cookies heed host names and no ports, so everything on this loopback address has it.
 */
const COOKIE = 'CF_Authorization';

/** A day is what an Access session usually lasts; with a minute one can watch sockets end with it. */
const LIVES = [
  ['86400', 'a day'],
  ['60', 'a minute'],
] as const;

/** GET shows whom to sign in as, POST signs in: a form of `email` and `expiresIn` (seconds). Then on to `redirect_url`. */
export async function signInThroughAccess(
  access: AccessIssuer,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const next = nextPage(request);
  if (request.method !== 'POST') {
    response.writeHead(200, PAGE_HEADERS);
    response.end(signInPage());
    return;
  }
  const form = new URLSearchParams(await readText(request));
  const wish = accessTokenRequest.safeParse({
    email: form.get('email') ?? '',
    expiresIn: Number(form.get('expiresIn') ?? Number.NaN),
  });
  if (!wish.success) throw new Refusal(400, 'email and expiresIn are needed', 'email');
  goOn(response, next, `${COOKIE}=${await access.token(wish.data)}`);
}

/** Forgets who was signed in, and goes on to `redirect_url`. */
export function signOutOfAccess(request: IncomingMessage, response: ServerResponse): void {
  goOn(response, nextPage(request), `${COOKIE}=; Max-Age=0`);
}

function goOn(response: ServerResponse, next: URL, cookie: string): void {
  response.writeHead(303, {
    location: next.href,
    'set-cookie': `${cookie}; Path=/; HttpOnly; SameSite=Lax`,
    'cache-control': 'no-store',
  });
  response.end();
}

/** Pages on loopback only: a link here must not lead a person anywhere else. */
function nextPage({ url = '/' }: IncomingMessage): URL {
  const asked = new URL(url, 'http://127.0.0.1').searchParams.get('redirect_url') ?? '';
  const next = URL.canParse(asked) ? new URL(asked) : undefined;
  if (next?.protocol === 'http:' && ['127.0.0.1', 'localhost'].includes(next.hostname)) return next;
  throw new Refusal(400, 'redirect_url must be a page on loopback', 'redirect_url');
}

function signInPage(): string {
  const choices = PEOPLE.map((person) => {
    const [email, name, about] = [person.email, person.name, describePerson(person)].map(escapeHtml);
    return `<button name="email" value="${email}">${name} <small>${about}</small></button>`;
  });
  const lives = LIVES.map(([seconds, text]) => `<option value="${seconds}">${text}</option>`);
  return plainPage(
    'Sign in as',
    `<p>This plays Cloudflare Access for development. It asks for no password.</p>
<form method="post">
<p><label>Stay signed in for <select name="expiresIn">${lives.join('')}</select></label></p>
${choices.join('\n')}
</form>`,
  );
}
