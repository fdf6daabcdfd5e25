import '../require-node.ts';
import { writeFile } from 'node:fs/promises';
import { ROOT } from '../quiet-environment.ts';
import { renderSections } from './documents.ts';
import { lookModules } from './look.ts';
import { isMarkdown } from './markdown.ts';
import { openApiModules, staleFaults } from './openapi.ts';
import { closesModule } from './python.ts';
import { faultLine } from './report.ts';
import { readRepository } from './repository.ts';

/**
 * `npm run docs`: writes the generated tables of every document anew, the OpenAPI document, the style of pages as a
 * module, and the table of closes of the Python client. The checks `docs`, `openapi`, `look` and `python` find stale ones.
 */
const files = await readRepository();
const documents = files.filter(isMarkdown);

const modules = new Map([...(await openApiModules()), ...(await lookModules(files)), ...closesModule()]);
for (const { file } of staleFaults(files, modules)) {
  await writeFile(`${ROOT}${file}`, modules.get(file) ?? '');
  process.stdout.write(`wrote ${file}\n`);
}

for (const file of documents) {
  const { text, faults } = renderSections(file);
  for (const fault of faults) process.stderr.write(`${faultLine(fault)}\n`);
  if (faults.length > 0) process.exitCode = 1;
  else if (text !== file.text) {
    await writeFile(`${ROOT}${file.path}`, text);
    process.stdout.write(`wrote ${file.path}\n`);
  }
}
