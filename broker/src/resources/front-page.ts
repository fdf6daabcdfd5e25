import { ok } from '@agent-ticket/shared/outcome.ts';
import { html } from 'hono/html';
import { plainPage } from '../http/plain-page.ts';
import type { Handler } from '../runtime/call.ts';

/** `GET /`: where a sign-in or sign-out ends that names no other place. The same for everybody. */
export const showFrontPage: Handler = async ({ ports: { config, consoleFile } }) => {
  const below = new URL(config.issuer).pathname.replace(/\/$/, '');
  const page = plainPage('Agent ticket broker', [
    'If you came here by signing in or out: that is done. Go back to the app that you came from.',
    consoleFile === undefined
      ? 'There is nothing else to see. Programs get tickets for agents here.'
      : html`Programs get tickets for agents here. Operators have a <a href="${below}/console">console</a>.`,
  ]);
  return ok({
    status: 200,
    headers: { 'content-type': 'text/html; charset=utf-8' },
    stream: new Blob([page]).stream(),
  });
};
