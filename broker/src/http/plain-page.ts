import { LOOK } from '@agent-ticket/shared/look.ts';
import { html, raw } from 'hono/html';

/** Text, which the page escapes, or HTML made by `html` of values that are there: it makes no promise of those. */
type Paragraph = string | Promise<string>;

/** A page for people that loads nothing else. */
export const plainPage = (title: string, paragraphs: readonly Paragraph[]): string =>
  String(html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<style>${raw(LOOK)}</style>
</head>
<body>
<main class="gateway">
<h1>${title}</h1>
${paragraphs.map((paragraph) => html`<p>${paragraph}</p>\n`)}</main>
</body>
</html>
`);
