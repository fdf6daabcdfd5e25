import { createHash } from 'node:crypto';
import { LOOK } from '@agent-ticket/shared/look.ts';
import { describePerson, PEOPLE } from './people.ts';

/** The look of every page here, and a list of people to choose from. */
const STYLE = [
  LOOK,
  'form{display:grid;gap:.5rem;width:100%}',
  'button{display:grid;justify-content:start;padding:.6rem 1rem;border-color:var(--line);background:var(--card);color:var(--ink);text-align:left}',
  'button:hover{border-color:var(--accent)}',
].join('');

const SUBMIT_SCRIPT = 'document.forms[0].submit()';

const digest = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** No form-action: browsers apply it to the redirects after a form too, and those lead to the broker. */
const POLICY = [
  "default-src 'none'",
  `style-src ${digest(STYLE)}`,
  `script-src ${digest(SUBMIT_SCRIPT)}`,
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

export const PAGE_HEADERS = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': POLICY,
  'cache-control': 'no-store',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
} as const;

/** One self-contained page. `main` is HTML; `submit` sends its first form without waiting for a person. */
export function plainPage(title: string, main: string, submit = false): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeHtml(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main class="gateway">
<h1>${escapeHtml(title)}</h1>
${main}
</main>
${submit ? `<script>${SUBMIT_SCRIPT}</script>` : ''}
</body>
</html>
`;
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (char) => ESCAPES[char] ?? char);

interface SignInForm {
  readonly about: string;
  /** Name of the form field, and the property of the chosen person in it. */
  readonly field: string;
  readonly value: 'email' | 'sub';
  /** HTML before and after the buttons. */
  readonly before?: string;
  readonly after?: string;
}

/** The page on which somebody chooses one of {@link PEOPLE}. */
export function signInPage({ about, field, value, before = '', after = '' }: SignInForm): string {
  const buttons = PEOPLE.map((person) => {
    const [chosen, name, text] = [person[value], person.name, describePerson(person)].map(escapeHtml);
    return `<button name="${field}" value="${chosen}">${name} <small>${text}</small></button>`;
  });
  const form = [before, ...buttons, after].filter(Boolean).join('\n');
  return plainPage(
    'Sign in as',
    `<p>${about} It asks for no password.</p>\n<form method="post">\n${form}\n</form>`,
  );
}
