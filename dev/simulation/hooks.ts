import { registerHooks } from 'node:module';

/** The replacement for the `cloudflare:` modules of the Workers runtime. */
const WORKERS = new URL('./workers-module.ts', import.meta.url).href;

/** A change of one file of the product, like a mutant. */
export interface Planted {
  /** From the root of the repository. */
  readonly file: string;
  readonly original: string;
  readonly replacement: string;
}

const ROOT = new URL('../../', import.meta.url).href;

/**
 * Modules that are loaded from now on get the simulated runtime. If a fault is planted, the loader changes its file.
 */
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
