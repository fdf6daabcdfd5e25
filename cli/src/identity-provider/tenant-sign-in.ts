import type { IncomingMessage, ServerResponse } from 'node:http';
import { errors, type InteractionResults } from 'oidc-provider';
import type { Auth0Tenant } from './auth0-tenant.ts';
import { readText } from './http.ts';
import { PAGE_HEADERS, plainPage, signInPage } from './pages.ts';
import { personByHint } from './people.ts';

/** Signs a person in: at once when the request has a `login_hint`, else by the sign-in page. */
export async function signInAtTenant(
  tenant: Auth0Tenant,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const provider = tenant.provider();
  try {
    const { prompt, params } = await provider.interactionDetails(request, response);
    const result = await decide(prompt.name, params.login_hint, request);
    if (result === undefined) return show(response, 200, tenantPage());
    // A consent follows a login in the same sign-in and must not replace its result.
    const mergeWithLastSubmission = prompt.name === 'consent';
    await provider.interactionFinished(request, response, result, { mergeWithLastSubmission });
  } catch (error) {
    if (!(error instanceof errors.SessionNotFound)) throw error;
    show(
      response,
      400,
      plainPage('Start again', '<p>This sign-in is over or was begun in another browser.</p>'),
    );
  }
}

/** Undefined when the sign-in page must be shown first. */
async function decide(
  prompt: string,
  hint: unknown,
  request: IncomingMessage,
): Promise<InteractionResults | undefined> {
  if (prompt === 'consent') return { consent: {} };
  if (typeof hint === 'string' && hint !== '') return signInAs(hint);
  if (request.method !== 'POST') return undefined;
  const account = new URLSearchParams(await readText(request)).get('account');
  return account ? signInAs(account) : { error: 'access_denied', error_description: 'the person cancelled' };
}

const signInAs = (hint: string): InteractionResults => ({ login: { accountId: personByHint(hint).sub } });

const tenantPage = (): string =>
  signInPage({
    about: 'This is the development tenant.',
    field: 'account',
    value: 'sub',
    after: '<button name="account" value="">Cancel</button>',
  });

function show(response: ServerResponse, status: number, page: string): void {
  response.writeHead(status, PAGE_HEADERS);
  response.end(page);
}
