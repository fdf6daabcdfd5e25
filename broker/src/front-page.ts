import { allow } from '@agent-ticket/shared/outcome.ts';
import type { Handler } from './http/call.ts';

const STYLE =
  ':root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem}';

/** The one style that the content security policy lets in; a test holds it to {@link STYLE}. */
export const FRONT_PAGE_STYLE = "'sha256-5KX3u23NSszPP3O6gtZFtbxwwxWLNfVy6mxUBtKoM5Y='";

const PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Agent ticket broker</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<h1>Agent ticket broker</h1>
<p>If you came here by signing in or out: that is done. Go back to the app that you came from.</p>
<p>There is nothing else to see. Programs get tickets for agents here.</p>
</main>
</body>
</html>
`;

/** `GET /`: where a sign-in or sign-out ends that names no other place. The same for everybody. */
export const showFrontPage = (): Handler => async () => ({
  outcome: allow({
    status: 200,
    headers: { 'content-type': 'text/html; charset=utf-8' },
    stream: new Blob([PAGE]).stream(),
  }),
});
