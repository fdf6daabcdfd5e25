import { readdir, readFile } from 'node:fs/promises';
import * as z from 'zod';
import { hasCode } from '../../error-code.ts';
import type { Fault } from '../fault.ts';
import type { BundleRules } from './rules.ts';

const Metafile = z.object({
  outputs: z.record(
    z.string(),
    z.object({ inputs: z.record(z.string(), z.object({ bytesInOutput: z.number() })) }),
  ),
});

export interface Bundle {
  readonly inputs: readonly string[];
  readonly text: string;
}

/** Input files of a bundler's report that gave bytes to the output; what was read and shaken off is not in it. */
export function inputsOf(metafile: string): string[] {
  const outputs = Object.values(Metafile.parse(JSON.parse(metafile)).outputs);
  const used = outputs.flatMap(({ inputs }) => Object.entries(inputs));
  return [...new Set(used.filter(([, { bytesInOutput }]) => bytesInOutput > 0).map(([name]) => name))];
}

export function bundleFaults(rules: BundleRules, bundle: Bundle): Fault[] {
  const file = `${rules.workspace}/dist`;
  // A report in another form, or of another build, would pass every rule below.
  if (!bundle.inputs.some((input) => input.startsWith('src/')))
    return [{ file, message: 'the report of inputs does not name the sources of this workspace' }];
  return [
    ...rules.inputs.flatMap(({ found, because }) =>
      bundle.inputs
        .filter((input) => found.test(input))
        .map((input) => ({ file, message: `holds ${input}: ${because}` })),
    ),
    ...rules.texts
      .filter(({ found }) => bundle.text.includes(found))
      .map(({ found, because }) => ({ file, message: `holds the text "${found}": ${because}` })),
  ];
}

/** Reads what `wrangler deploy --dry-run --outdir dist --metafile` left. Throws when there is nothing. */
export async function readBundle(folder: string): Promise<Bundle> {
  const names = await readdir(folder).catch((error: unknown): string[] => {
    if (hasCode(error, 'ENOENT')) return [];
    throw error;
  });
  const scripts = names.filter((name) => name.endsWith('.js'));
  if (scripts.length === 0) throw new Error(`no bundle in ${folder}: the dry run left none`);
  if (!names.includes('bundle-meta.json'))
    throw new Error(`no bundle-meta.json in ${folder}: the build script must pass --metafile to wrangler`);
  const texts = await Promise.all(scripts.map((name) => readFile(`${folder}/${name}`, 'utf8')));
  return { inputs: inputsOf(await readFile(`${folder}/bundle-meta.json`, 'utf8')), text: texts.join('\n') };
}
