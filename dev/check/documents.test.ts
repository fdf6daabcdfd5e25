import { describe, expect, it } from 'vitest';
import { commandFaults, linkFaults, renderSections, scriptCalls, sectionFaults } from './documents.ts';
import { GENERATORS } from './tables.ts';

const generators = { one: () => '| a |\n| --- |\n| 1 |' };
const fresh =
  'before\n\n<!-- generated: one -->\n\n| a |\n| --- |\n| 1 |\n\n<!-- end generated -->\n\nafter\n';
const document = (text: string) => ({ path: 'docs/a.md', text });
const sectionFaultsIn = (text: string) => sectionFaults([document(text)], generators);

describe('a generated section', () => {
  it('equal to the code passes, and a second rendering changes nothing', () => {
    expect(sectionFaultsIn(fresh)).toEqual([]);
    expect(renderSections(document(fresh), generators).text).toBe(fresh);
  });

  it.each([
    ['a changed cell', fresh.replace('| 1 |', '| 2 |')],
    ['a lost row', fresh.replace('| 1 |\n', '')],
    ['nothing yet', '<!-- generated: one -->\n<!-- end generated -->\n'],
  ])('with %s is a fault, and is generated anew', (_name, text) => {
    expect(sectionFaultsIn(text)).toMatchObject([{ message: expect.stringContaining('npm run docs') }]);
    const rendered = renderSections(document(text), generators).text;
    expect(rendered).toContain(generators.one());
    expect(sectionFaultsIn(rendered)).toEqual([]);
  });

  it.each([
    ['of a name that nothing generates', '<!-- generated: two -->\n<!-- end generated -->'],
    ['of a name that every object has', '<!-- generated: constructor -->\n<!-- end generated -->'],
    ['that does not end', '<!-- generated: one -->\n\n| a |'],
    ['that ends without a beginning', '<!-- end generated -->'],
    ['inside another', '<!-- generated: one -->\n<!-- generated: one -->\n<!-- end generated -->'],
  ])('%s is a fault', (_name, text) => {
    expect(sectionFaultsIn(text)).toHaveLength(1);
  });

  it('inside a code block is an example', () => {
    expect(sectionFaultsIn('```md\n<!-- generated: two -->\n```\n')).toEqual([]);
  });
});

it.each(Object.entries(GENERATORS))('%s has a table with equal rows', (_name, generate) => {
  // A sentence may come before the table.
  const lines = (generate().split('\n\n').at(-1) ?? '').split('\n');
  const cells = new Set(lines.map((line) => line.replaceAll('\\|', '').split('|').length));
  expect(lines.length).toBeGreaterThan(3);
  expect(cells.size).toBe(1);
});

it.each([
  ['errors', '| `RATE_LIMITED` | 429 |'],
  ['closes', '| 3000 | `ticket_used` |'],
  ['denials', '| `ticket_used` | `UNAUTHORIZED` | 3000 | `ticket_used` |'],
  ['limits', '| `TICKET_TTL_SECONDS.max` | 300 |'],
  ['scopes-per-agent', '| `counter` | `viewer` | `agent:connect`'],
  ['claims', '| `session_expiry` | always |'],
  ['rate-limits', '| tier admin | not counted |'],
  ['routes', '| POST | `/tickets` | everybody, or any credential |'],
  ['settings-broker', '| `KEK` | secret | must be set |'],
  ['settings-broker', '| `MODE` | variable | `production` |'],
  ['settings-node', '| `PORT` | variable | `8787` |'],
  ['settings-node', '| `RECORD_DATABASE_TOKEN` | secret | none |'],
  ['settings-agent-worker', '| `ALLOWED_ORIGINS` | variable | none |'],
])('%s contains %s', (name, row) => {
  expect(GENERATORS[name]?.()).toContain(row);
});

const linked = [
  { path: 'docs/guide.md', text: '# The `first` start\n\n```sh\n# not a heading\n```\n' },
  { path: 'broker/src/app.ts', text: '' },
];
const linkFaultsIn = (text: string) => linkFaults([{ path: 'docs/a.md', text }, ...linked]);

it.each([
  '[a](guide.md)',
  '[a](./guide.md "title")',
  '[a](guide.md#the-first-start)',
  '[a](../broker/src/app.ts)',
  '[a](../broker/src/)',
  '[a](..)',
  '# Here\n[a](#here)',
  '[a](https://example.com/x) [b](mailto:a@example.com)',
  '`[a](gone.md)`',
  '```md\n[a](gone.md)\n```',
  '[a]: guide.md',
])('%s has a target', (text) => {
  expect(linkFaultsIn(text)).toEqual([]);
});

it.each([
  '[a](gone.md)',
  '![a](gone.png "title")',
  '[![a](https://example.com/a.svg)](gone.md)',
  '[a](guide.md#the-second-start)',
  '[a](guide.md#not-a-heading)',
  '[a](#nowhere)',
  '[a](../../docs/guide.md)',
  '[a]: gone.md',
])('%s has no target', (text) => {
  expect(linkFaultsIn(`first\n\n${text}`)).toMatchObject([{ file: 'docs/a.md', line: 3 }]);
});

const manifests = [
  { path: 'package.json', text: '{"name":"root","scripts":{"start":"x","check":"x"}}' },
  { path: 'broker/package.json', text: '{"name":"@a/broker","scripts":{"start:node":"x"}}' },
];
const commandFaultsIn = (line: string, language = 'sh') =>
  commandFaults([...manifests, { path: 'README.md', text: `\`\`\`${language}\n${line}\n\`\`\`\n` }]);

describe('a command in a shell block', () => {
  it.each([
    'npm ci && npm start',
    '$ npm run check -- direction',
    'CI=true npm run -s check',
    'npm run start:node -w broker',
    'npm run start:node --workspace=@a/broker',
    'npm -w broker run start:node',
    '# npm run gone',
    'npx agent-ticket probe',
  ])('%s exists', (line) => {
    expect(commandFaultsIn(line)).toEqual([]);
  });

  it.each([
    'npm run gone',
    'npm ci && npm run gone',
    'npm test',
    'npm run start:node',
    'npm run check -w broker',
    'npm run check -w nowhere',
    'npm run constructor',
  ])('%s does not exist', (line) => {
    expect(commandFaultsIn(line)).toMatchObject([{ file: 'README.md', line: 2 }]);
  });
});

it('only shell blocks are read', () => {
  expect(commandFaultsIn('npm run gone', 'ts')).toEqual([]);
});

it('words after -- belong to the script', () => {
  expect(scriptCalls('npm run check -- -w broker')).toEqual([{ script: 'check', workspace: '' }]);
});
