import { registerHooks } from 'node:module';

/** The module of the Workers runtime, for code of this process. */
const WORKERS = new URL('./workers-module.ts', import.meta.url).href;

/** A change of one file of the product, as a mutant is. */
export interface Planted {
  /** From the root of the repository. */
  readonly file: string;
  readonly original: string;
  readonly replacement: string;
}

const ROOT = new URL('../../', import.meta.url).href;

/** Has modules that are loaded from now on find the runtime's, and one of them a fault, where one is planted. */
export function installHooks(planted?: Planted): void {
  let isPlanted = false;
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier.startsWith('cloudflare:') ? { url: WORKERS, shortCircuit: true } : next(specifier, context),
    load(url, context, next) {
      const loaded = next(url, context);
      if (planted === undefined || url !== ROOT + planted.file) return loaded;
      const source = String(loaded.source);
      const changed = source.replace(planted.original, () => planted.replacement);
      if (changed === source) throw new Error(`${planted.file} has no text ${planted.original}`);
      isPlanted = true;
      return { ...loaded, source: changed };
    },
  });
  process.on('exit', () => {
    if (planted !== undefined && !isPlanted) process.stderr.write(`${planted.file} was never loaded\n`);
  });
}
