import '../require-node.ts';
import { writeFile } from 'node:fs/promises';
import { ROOT } from '../quiet-environment.ts';
import { renderSections } from './documents.ts';
import { isMarkdown } from './markdown.ts';
import { faultLine } from './report.ts';
import { readRepository } from './repository.ts';

/** `npm run docs`: writes the generated tables of every document anew. The check `docs` finds the stale ones. */
const documents = (await readRepository()).filter(isMarkdown);

for (const file of documents) {
  const { text, faults } = renderSections(file);
  for (const fault of faults) process.stderr.write(`${faultLine(fault)}\n`);
  if (faults.length > 0) process.exitCode = 1;
  else if (text !== file.text) {
    await writeFile(`${ROOT}${file.path}`, text);
    process.stdout.write(`wrote ${file.path}\n`);
  }
}
