import { describe, expect, it } from 'vitest';
import { indexFaults, lengthFaults, pictureFaults, promiseFaults, tableFaults } from './pages.ts';

const page = (text: string, path = 'docs/operate/a.md') => [{ path, text }];
const TABLE = '| a | b |\n| --- | --- |\n| 1 | 2 |\n';

describe('a table', () => {
  it.each([
    ['of equal rows', TABLE],
    ['with a bar in code and one that is escaped', `${TABLE}| \`x|y\` | p\\|q |\n`],
    ['in a block of code', '```\n| a |\n\n| b | c |\n```\n'],
    ['behind another', `${TABLE}\ntext\n\n| a |\n| --- |\n| 1 |\n`],
  ])('%s has no fault', (_what, text) => {
    expect(tableFaults(page(text))).toEqual([]);
  });

  it.each([
    ['that a blank line cuts', `${TABLE}\n| 3 | 4 |\n| 5 | 6 |\n`, 5],
    ['with one row behind a blank line', `${TABLE}\n| 3 | 4 |\n`, 5],
    ['with a row of more cells', `${TABLE}| 3 | 4 | 5 |\n`, 4],
    ['with a row of fewer cells', `${TABLE}| 3 |\n`, 4],
    ['without a delimiter', '| a | b |\n| 1 | 2 |\n', 1],
  ])('%s is a fault', (_what, text, line) => {
    expect(tableFaults(page(text))).toMatchObject([{ file: 'docs/operate/a.md', line }]);
  });
});

it('a picture has a text', () => {
  expect(pictureFaults(page('a\n\n![](a.png)\n'))).toMatchObject([{ line: 3 }]);
  expect(pictureFaults(page('![the gate](a.png) `![](x)`\n'))).toEqual([]);
});

it('a page has 1,500 words at most, without its code, addresses and generated tables', () => {
  const words = (number: number) => 'word '.repeat(number);
  expect(lengthFaults(page(words(1501)))).toMatchObject([{ message: expect.stringContaining('1501') }]);
  const rest = `\n\`\`\`\n${words(99)}\n\`\`\`\n<!-- generated: x -->\n${words(99)}\n<!-- end generated -->\n`;
  expect(lengthFaults(page(`${words(1499)}[x](${'a/'.repeat(9)})${rest}`))).toEqual([]);
});

it('every page is in the index', () => {
  const index = {
    path: 'docs/README.md',
    text: '# D\n\n## Operate\n\n| page | what |\n| --- | --- |\n| [A](operate/a.md) | read |\n',
  };
  expect(indexFaults([index, ...page('# A')])).toEqual([]);
  expect(indexFaults([index, ...page('# B', 'docs/operate/b.md')])).toMatchObject([
    { file: 'docs/operate/b.md' },
  ]);
});

it('every promise names a test', () => {
  const promises = (cell: string) =>
    page(`# P\n\n| promise | shown by |\n| --- | --- |\n| One. | ${cell} |\n`, 'docs/security/promises.md');
  expect(promiseFaults(promises('[a](../../a.test.ts)'))).toEqual([]);
  expect(promiseFaults(promises('a'))).toMatchObject([{ line: 5 }]);
});
