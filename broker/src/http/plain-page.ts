import { html, raw } from 'hono/html';

const STYLE =
  ':root{color-scheme:light dark}body{font:1rem/1.5 system-ui,sans-serif;max-width:32rem;margin:3rem auto;padding:0 1rem}';

/** The one style that the content security policy allows; a test compares it with {@link STYLE}. */
export const PLAIN_PAGE_STYLE = "'sha256-5KX3u23NSszPP3O6gtZFtbxwwxWLNfVy6mxUBtKoM5Y='";

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
<style>${raw(STYLE)}</style>
</head>
<body>
<main>
<h1>${title}</h1>
${paragraphs.map((paragraph) => html`<p>${paragraph}</p>\n`)}</main>
</body>
</html>
`);
