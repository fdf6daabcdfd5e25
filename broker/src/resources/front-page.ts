import { ok } from '@agent-ticket/shared/outcome.ts';
import { plainPage } from '../http/plain-page.ts';
import type { Handler } from '../runtime/call.ts';

const PAGE = plainPage('Agent ticket broker', [
  'If you came here by signing in or out: that is done. Go back to the app that you came from.',
  'There is nothing else to see. Programs get tickets for agents here.',
]);

/** `GET /`: where a sign-in or sign-out ends that names no other place. The same for everybody. */
export const showFrontPage: Handler = async () =>
  ok({
    status: 200,
    headers: { 'content-type': 'text/html; charset=utf-8' },
    stream: new Blob([PAGE]).stream(),
  });
