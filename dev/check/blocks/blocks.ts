import type { Fault } from '../fault.ts';
import { type Outcome, outcomeOf } from '../report.ts';
import type { SourceFile } from '../repository.ts';
import { type Block, codeBlocks } from './extract.ts';
import { jsonFaults } from './json.ts';
import { LANGUAGES, type Way } from './languages.ts';
import { pythonFaults, shellFaults } from './scripts.ts';
import { checkTypes } from './types.ts';

/** Every block of code of every document: types checked, JSON parsed, scripts parsed. */
export async function checkBlocks(files: readonly SourceFile[]): Promise<Outcome> {
  const all = codeBlocks(files);
  if (all.length === 0) throw new Error('the documents have no blocks: nothing was checked');
  const marked = all.filter(({ unchecked }) => unchecked !== undefined);
  const blocks = all.filter(({ unchecked }) => unchecked === undefined);
  const of = (way: Way): Block[] => blocks.filter(({ language }) => LANGUAGES[language] === way);

  const python = await pythonFaults(of('python'));
  const outcome = outcomeOf([
    ...languageFaults(blocks),
    ...(await checkTypes(of('types'))),
    ...jsonFaults(of('json')),
    ...(await shellFaults(of('shell'))),
    ...(python ?? []),
  ]);
  const skipped = python === undefined ? of('python') : [];
  const checked = blocks.length - of('none').length - skipped.length;
  const notes = [
    `${checked} checked`,
    ...(marked.length === 0 ? [] : [`${marked.length} marked as not checked`]),
    ...(skipped.length === 0 ? [] : [`${skipped.length} left out: there is no python3 here`]),
  ];
  return { ...outcome, note: notes.join(', ') };
}

/** Blocks whose language says nothing about how to check them. */
export const languageFaults = (blocks: readonly Block[]): Fault[] =>
  blocks
    .filter(({ language }) => !Object.hasOwn(LANGUAGES, language))
    .map(({ file, line, language }) => ({
      file,
      line: line - 1,
      message: `no way to check "${language}": choose one of ${Object.keys(LANGUAGES).join(', ')}, or put <!-- not checked: why --> before it`,
    }));
