import { describe, expect, it } from 'vitest';
import { checkTypes, programsOf, typeFaults } from './block-types.ts';
import { checkBlocks, jsonFaults, languageFaults, pythonFaults, shellFaults, yamlFaults } from './code-blocks.ts';
import { type Block, codeBlocks } from './markdown.ts';

const FENCE = '```';
const page = (...blocks: readonly string[]) => ({
  path: 'docs/page.md',
  text: ['# Page', ...blocks.map((block) => `\n${block}\n`)].join('\n'),
});
const fenced = (info: string, code: string): string => `${FENCE}${info}\n${code}\n${FENCE}`;
const blocksIn = (...blocks: readonly string[]): Block[] => codeBlocks([page(...blocks)]);

describe('a block of a document', () => {
  it('is found with its heading, line, words and code', () => {
    expect(blocksIn(fenced('ts worker', 'const a = 1;'))).toEqual([
      {
        file: 'docs/page.md',
        heading: 'Page',
        line: 4,
        language: 'ts',
        words: ['worker'],
        code: 'const a = 1;',
        unchecked: undefined,
      },
    ]);
  });

  it('in a list loses the indent of the list', () => {
    expect(blocksIn('1. x\n\n   ```json\n   {}\n   ```')[0]?.code).toBe('{}');
  });

  it('may contain a shorter fence, and may go on to the end', () => {
    expect(blocksIn(`${FENCE}\`text\n${FENCE}\ninside\n${FENCE}\n${FENCE}\``)[0]?.code).toContain('inside');
    expect(blocksIn(`${FENCE}text\nopen`)[0]?.code).toContain('open');
  });

  it('is marked as not checked with a reason only', () => {
    const marked = (mark: string) => blocksIn(`${mark}\n${fenced('toml', 'a: 1')}`)[0]?.unchecked;
    expect(marked('<!-- not checked: a workflow -->')).toBe('a workflow');
    expect(marked('<!-- not checked: -->')).toBeUndefined();
    expect(marked('<!-- not checked -->')).toBeUndefined();
  });

  it('is of a language that can be checked', () => {
    expect(languageFaults(blocksIn(fenced('ts', ''), fenced('toml', ''), fenced('', '')))).toMatchObject([
      { line: 8, message: expect.stringContaining('"toml"') },
      { message: expect.stringContaining('""') },
    ]);
  });
});

describe('JSON', () => {
  it.each([
    ['json', '{"a": [1, "//"]}'],
    ['jsonc', '{"a": "/* no */", // why\n}'],
    ['jsonc', '"vars": { "A": "b" },'],
  ])('%s %s parses', (language, code) => {
    expect(jsonFaults(blocksIn(fenced(language, code)))).toEqual([]);
  });

  it.each([
    ['json', '{"a": 1,}'],
    ['json', '// why\n{}'],
    ['jsonc', '{"a": }'],
    ['jsonc', '"a": 1, "b"'],
  ])('%s %s does not', (language, code) => {
    expect(jsonFaults(blocksIn(fenced(language, code)))).toMatchObject([{ file: 'docs/page.md', line: 4 }]);
  });
});

it('a block of YAML parses or is a fault', () => {
  const blocks = blocksIn(fenced('yaml', 'a: [b]'), fenced('yaml', 'a: [b'));
  expect(yamlFaults(blocks)).toMatchObject([{ file: 'docs/page.md', line: 9 }]);
});

describe('a script', () => {
  it('of a shell parses or is a fault', () => {
    const blocks = blocksIn(fenced('sh', 'curl "$A" | jq .'), fenced('sh', 'if true; then'));
    expect(shellFaults(blocks)).toMatchObject([{ line: 9, message: expect.stringMatching(/syntax/) }]);
  });

  it('of Python compiles or is a fault, and is not run', () => {
    const faults = pythonFaults(
      blocksIn(fenced('python', 'raise SystemExit(3)'), fenced('python', 'def f(:')),
    );
    // Without Python nothing is compiled, and the check counts the blocks that it left out.
    expect(faults === undefined || (faults.length === 1 && faults[0]?.line === 9)).toBe(true);
  });
});

describe('types', () => {
  it('that fit pass, in every environment, and a block continues those before it', async () => {
    const faults = await checkTypes(
      blocksIn(
        fenced('ts', "import type { AgentClient } from 'agents/client';\nconst a: AgentClient[] = [];"),
        fenced('ts continues', 'const n: number = a.length;'),
        fenced('ts continues', 'console.log(n.toFixed(), a);'),
        fenced('js', 'const add = (a, b) => a + b;\nadd(1, 2);'),
        fenced('ts worker', 'const env: Cloudflare.Env | undefined = undefined;\nexport default env;'),
        fenced('tsx', 'export const A = () => <p>{1}</p>;'),
      ),
    );
    expect(faults).toEqual([]);
  });

  it('that do not fit are faults at the lines of the document', async () => {
    const faults = await checkTypes(
      blocksIn(
        fenced('ts', "const n: number = 'x';"),
        fenced('ts', 'const a = 1;\nconst b = later;'),
        fenced('ts', "import { nothing } from 'agents/client';\nnothing;"),
        fenced('js', 'missing();'),
        fenced('ts', 'const list: string[] = [];\nlist[0].length;'),
      ),
    );
    expect(faults.map(({ line, message }) => [line, message.split(':')[0]]).toSorted()).toEqual(
      [
        [4, 'TS2322'],
        [10, 'TS2304'],
        [15, 'TS2305'],
        [21, 'TS2304'],
        [27, 'TS2532'],
      ].toSorted(),
    );
  });

  it('a fault is reported once, by the block that has it', () => {
    const programs = programsOf(blocksIn(fenced('ts', 'a;'), fenced('ts continues', 'b;')));
    expect(programs.map(({ text, before }) => [text, before])).toEqual([
      ['a;\n', 0],
      ['a;\nb;\n', 1],
    ]);
    const output = programs
      .map(({ name }) => `x/${name}(1,1): error TS2304: Cannot find name 'a'.`)
      .join('\n');
    expect(typeFaults(output, programs)).toMatchObject([{ line: 4 }]);
  });

  it('an error outside of the blocks is not lost', () => {
    expect(typeFaults('shared/src/x.ts(1,1): error TS1: no', [])).toHaveLength(1);
  });
});

it('a check without any block fails', async () => {
  await expect(checkBlocks([{ path: 'README.md', text: '# Nothing' }])).rejects.toThrow(
    'nothing was checked',
  );
});

it('unchecked blocks are counted', async () => {
  const marked = `<!-- not checked: why -->\n${fenced('yaml', 'a: 1')}`;
  expect(await checkBlocks([page(fenced('json', '1'), fenced('text', 'x'), marked)])).toEqual({
    passed: true,
    output: '',
    note: '1 checked, 1 marked as not checked',
  });
});
