import { describe, expect, it } from 'vitest';
import { GENERATORS } from './generators.ts';
import { renderSections, sectionFaults } from './sections.ts';

const generators = { one: () => '| a |\n| --- |\n| 1 |' };
const fresh =
  'before\n\n<!-- generated: one -->\n\n| a |\n| --- |\n| 1 |\n\n<!-- end generated -->\n\nafter\n';
const document = (text: string) => ({ path: 'docs/a.md', text });
const faults = (text: string) => sectionFaults([document(text)], generators);

describe('a generated section', () => {
  it('in step passes, and writing it again changes nothing', () => {
    expect(faults(fresh)).toEqual([]);
    expect(renderSections(document(fresh), generators).text).toBe(fresh);
  });

  it.each([
    ['a changed cell', fresh.replace('| 1 |', '| 2 |')],
    ['a lost row', fresh.replace('| 1 |\n', '')],
    ['nothing yet', '<!-- generated: one -->\n<!-- end generated -->\n'],
  ])('with %s is a fault, and is made new', (_name, text) => {
    expect(faults(text)).toMatchObject([{ message: expect.stringContaining('npm run docs') }]);
    const rendered = renderSections(document(text), generators).text;
    expect(rendered).toContain(generators.one());
    expect(faults(rendered)).toEqual([]);
  });

  it.each([
    ['of a name that nothing generates', '<!-- generated: two -->\n<!-- end generated -->'],
    ['of a name that every object has', '<!-- generated: constructor -->\n<!-- end generated -->'],
    ['that does not end', '<!-- generated: one -->\n\n| a |'],
    ['that ends and did not begin', '<!-- end generated -->'],
    ['inside another', '<!-- generated: one -->\n<!-- generated: one -->\n<!-- end generated -->'],
  ])('%s is a fault', (_name, text) => {
    expect(faults(text)).toHaveLength(1);
  });

  it('inside a code block is an example', () => {
    expect(faults('```md\n<!-- generated: two -->\n```\n')).toEqual([]);
  });
});

it.each(Object.entries(GENERATORS))('%s is a table with a row for everything', (_name, generate) => {
  const lines = generate().split('\n');
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
])('%s says %s', (name, row) => {
  expect(GENERATORS[name]?.()).toContain(row);
});
