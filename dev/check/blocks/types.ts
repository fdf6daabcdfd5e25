import { mkdir, rm, writeFile } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';
import { ROOT } from '../../quiet-environment.ts';
import { runCommand } from '../command.ts';
import type { Fault } from '../fault.ts';
import type { Block } from './extract.ts';

/** Files of the compiler, and which block each line of them is. */
export interface Program {
  readonly name: string;
  readonly text: string;
  readonly block: Block;
  /** Lines before the block's own. */
  readonly before: number;
}

/** A block with this word goes on from the one before it in its document, and that one maybe from another. */
const CONTINUES = 'continues';

/** One program for each block: the blocks that it goes on from, then itself. */
export function programsOf(blocks: readonly Block[]): Program[] {
  return blocks.map((block, index) => {
    const earlier: Block[] = [];
    let at = index;
    while (blocks[at]?.words.includes(CONTINUES) && blocks[at - 1]?.file === block.file) {
      at -= 1;
      earlier.unshift(...blocks.slice(at, at + 1));
    }
    const before = earlier.map(({ code }) => `${code}\n`).join('');
    return {
      name: `${surroundingsOf(block)}-${index}.${block.language}`,
      text: `${before}${block.code}\n`,
      block,
      before: before.split('\n').length - 1,
    };
  });
}

/** What the compiler said of the programs, in terms of the documents. */
export function typeFaults(output: string, programs: readonly Program[]): Fault[] {
  const byName = new Map(programs.map((program) => [program.name, program]));
  return stripVTControlCharacters(output)
    .split('\n')
    .flatMap((said) => {
      const [, path = '', line = '0', message = ''] =
        /^(.*?)\((\d+),\d+\): error (TS\d+: .*)$/.exec(said) ?? [];
      const program = byName.get(path.slice(path.lastIndexOf('/') + 1));
      if (program === undefined)
        return /error TS\d+/.test(said) ? [{ file: 'tsconfig.json', message: said }] : [];
      const { block, before } = program;
      // Of a block that others go on from, the first to have it tells.
      const own = Number(line) - before;
      return own < 1 ? [] : [{ file: block.file, line: block.line + own - 1, message }];
    });
}

const FOLDER = `${ROOT}dev/check/.doc-blocks`;

/** Where blocks run, and with which globals the compiler has to look at them. */
const SURROUNDINGS = {
  page: { pattern: 'page-*', types: ['@types/node'], lib: ['ES2023', 'DOM', 'DOM.Iterable'] },
  /** JavaScript has no place to write the types of parameters. */
  script: {
    pattern: 'script-*',
    types: ['@types/node'],
    lib: ['ES2023', 'DOM', 'DOM.Iterable'],
    allowJs: true,
    checkJs: true,
    noImplicitAny: false,
  },
  worker: { pattern: 'worker-*', types: ['@cloudflare/workers-types', '@types/node'], lib: ['ES2023'] },
} as const;
type Surroundings = keyof typeof SURROUNDINGS;

const surroundingsOf = ({ language, words }: Block): Surroundings =>
  language === 'js' ? 'script' : words.includes('worker') ? 'worker' : 'page';

/** The project's strict options, with the globals of the surroundings. */
function configOf(surroundings: Surroundings): object {
  const { pattern, ...compilerOptions } = SURROUNDINGS[surroundings];
  return {
    extends: '../../../tsconfig.json',
    files: [],
    // Declares the bindings and settings of a worker, and nothing where none is.
    include: [
      pattern,
      ...(surroundings === 'worker' ? ['../../../agent-worker/worker-configuration.d.ts'] : []),
    ],
    compilerOptions: { moduleDetection: 'force', jsx: 'react-jsx', ...compilerOptions },
  };
}

/** Type-checks the blocks, with the packages of this repository as their packages. */
export async function checkTypes(blocks: readonly Block[]): Promise<Fault[]> {
  const programs = programsOf(blocks);
  await rm(FOLDER, { recursive: true, force: true });
  await mkdir(FOLDER, { recursive: true });
  try {
    for (const { name, text } of programs) await writeFile(`${FOLDER}/${name}`, text);
    const faults: Fault[] = [];
    for (const surroundings of ['page', 'script', 'worker'] as const) {
      if (!blocks.some((block) => surroundingsOf(block) === surroundings)) continue;
      const config = `${FOLDER}/tsconfig.${surroundings}.json`;
      await writeFile(config, JSON.stringify(configOf(surroundings)));
      const { passed, output } = await runCommand('tsc', '--noEmit', '--pretty', 'false', '-p', config);
      const found = typeFaults(output, programs);
      // It ended badly and named nothing: it proved nothing.
      faults.push(...(passed || found.length > 0 ? found : [{ file: 'tsconfig.json', message: output }]));
    }
    return faults;
  } finally {
    await rm(FOLDER, { recursive: true, force: true });
  }
}
