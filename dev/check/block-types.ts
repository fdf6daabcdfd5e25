import { mkdir, rm, writeFile } from 'node:fs/promises';
import { stripVTControlCharacters } from 'node:util';
import { ROOT } from '../quiet-environment.ts';
import type { Block } from './markdown.ts';
import { type Fault, runCommand } from './report.ts';

/** One file for the compiler, with the block that it checks. */
export interface Program {
  readonly name: string;
  readonly text: string;
  readonly block: Block;
  /** Number of lines before the block's own: those of the blocks that it continues. */
  readonly before: number;
}

/** A block with this word continues the block before it in its document, which may continue another. */
const CONTINUES = 'continues';

/** One program for each block: the blocks that it continues, then the block. */
export function programsOf(blocks: readonly Block[]): Program[] {
  let before = '';
  return blocks.map((block, index) => {
    const previous = blocks[index - 1];
    const continues = block.words.includes(CONTINUES) && previous?.file === block.file;
    before = continues ? `${before}${previous.code}\n` : '';
    return {
      name: `${environmentOf(block)}-${index}.${block.language}`,
      text: `${before}${block.code}\n`,
      block,
      before: before.split('\n').length - 1,
    };
  });
}

/** The errors of the compiler at their lines in the documents. */
export function typeFaults(output: string, programs: readonly Program[]): Fault[] {
  const byName = new Map(programs.map((program) => [program.name, program]));
  return stripVTControlCharacters(output)
    .split('\n')
    .flatMap((error) => {
      const [, path = '', line = '0', message = ''] =
        /^(.*?)\((\d+),\d+\): error (TS\d+: .*)$/.exec(error) ?? [];
      const program = byName.get(path.slice(path.lastIndexOf('/') + 1));
      if (program === undefined)
        return /error TS\d+/.test(error) ? [{ file: 'tsconfig.json', message: error }] : [];
      const { block, before } = program;
      // An error in a continued block is reported once, by the program of that block.
      const own = Number(line) - before;
      return own < 1 ? [] : [{ file: block.file, line: block.line + own - 1, message }];
    });
}

const FOLDER = `${ROOT}dev/check/.doc-blocks`;

/** Where blocks run, and the compiler options with the globals of each. */
const ENVIRONMENTS = {
  page: {
    pattern: 'page-*',
    types: ['@types/node'],
    lib: ['ES2023', 'ES2024.String', 'DOM', 'DOM.Iterable'],
  },
  /** JavaScript has no syntax for the types of parameters. */
  script: {
    pattern: 'script-*',
    types: ['@types/node'],
    lib: ['ES2023', 'ES2024.String', 'DOM', 'DOM.Iterable'],
    allowJs: true,
    checkJs: true,
    noImplicitAny: false,
  },
  worker: {
    pattern: 'worker-*',
    types: ['@cloudflare/workers-types', '@types/node'],
    lib: ['ES2023', 'ES2024.String'],
  },
} as const;
type Environment = keyof typeof ENVIRONMENTS;

const environmentOf = ({ language, words }: Block): Environment =>
  language === 'js' ? 'script' : words.includes('worker') ? 'worker' : 'page';

/** The project's strict options, with the globals of the environment. */
function configOf(environment: Environment): object {
  const { pattern, ...compilerOptions } = ENVIRONMENTS[environment];
  return {
    extends: `${ROOT}tsconfig.json`,
    files: [],
    // Declares the bindings and settings of a worker.
    include: [
      pattern,
      ...(environment === 'worker' ? [`${ROOT}agent-worker/worker-configuration.d.ts`] : []),
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
    for (const environment of ['page', 'script', 'worker'] as const) {
      if (!blocks.some((block) => environmentOf(block) === environment)) continue;
      const config = `${FOLDER}/tsconfig.${environment}.json`;
      await writeFile(config, JSON.stringify(configOf(environment)));
      const { passed, output } = runCommand(['tsc', '--noEmit', '--pretty', 'false', '-p', config]);
      const found = typeFaults(output, programs);
      // A compiler that fails and names no error has checked nothing.
      faults.push(...(passed || found.length > 0 ? found : [{ file: 'tsconfig.json', message: output }]));
    }
    return faults;
  } finally {
    await rm(FOLDER, { recursive: true, force: true });
  }
}
