import { transform } from 'esbuild';
import type { Plugin } from 'vitest/config';

/** A decorator at the start of a line; `@param` in a comment follows its asterisk. */
const DECORATOR = /^[ \t]*@[A-Za-z]/m;

/** Lowers `@callable()` as wrangler does it in a build; Vite's own transformer leaves decorators as they are. */
export const esbuildDecorators = (include: RegExp): Plugin => ({
  name: 'esbuild-decorators',
  enforce: 'pre',
  async transform(code, id) {
    if (!include.test(id) || !DECORATOR.test(code)) return null;
    const { code: lowered, map } = await transform(code, {
      loader: 'ts',
      target: 'es2022',
      sourcemap: true,
      sourcefile: id,
      tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
    });
    return { code: lowered, map };
  },
});
