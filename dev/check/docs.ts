import '../require-node.ts';
import { writeFile } from 'node:fs/promises';
import { ROOT } from '../quiet-environment.ts';
import { isMarkdown } from './docs/markdown.ts';
import { renderSections } from './docs/sections.ts';
import { faultLine } from './fault.ts';
import { readRepository } from './repository.ts';

/** `npm run docs`: writes the generated tables of every document anew. Without `--write` it only names the stale ones. */
const write = process.argv.includes('--write');
const documents = (await readRepository()).filter(isMarkdown);

for (const file of documents) {
  const { text, faults } = renderSections(file);
  for (const fault of faults) process.stderr.write(`${faultLine(fault)}\n`);
  if (faults.length > 0) process.exitCode = 1;
  else if (text !== file.text) {
    if (write) await writeFile(`${ROOT}${file.path}`, text);
    else process.exitCode = 1;
    process.stdout.write(`${write ? 'wrote' : 'stale'} ${file.path}\n`);
  }
}
