import { expect, it } from 'vitest';
import { faultText } from './fault-text.ts';

const finding = { code: 'invalid_format', path: ['authorization_endpoint'], message: 'Invalid URL' };
const SENTENCE =
  'The server describes its sign-in in a form that OAuth does not have, so it was not begun: authorization_endpoint: Invalid URL.';

it.each([
  [new Error(JSON.stringify([finding], null, 2)), SENTENCE],
  [new Error(`Failed: ${JSON.stringify([finding])}`), SENTENCE],
  [new Error('fetch failed'), 'fetch failed'],
  [new Error('[not JSON'), '[not JSON'],
  [new Error('[]'), '[]'],
  [new Error('[1]'), '[1]'],
  ['gone', 'gone'],
])('%j is shown as %s', (error, text) => {
  expect(faultText(error)).toBe(text);
});
