import type { Fault } from '../fault.ts';
import type { Block } from './extract.ts';

/** Blocks of JSON that do not parse; `jsonc` may have comments and trailing commas, and may be some members of an object. */
export const jsonFaults = (blocks: readonly Block[]): Fault[] =>
  blocks.flatMap(({ file, line, language, code }) => {
    const texts = language === 'json' ? [code] : [plainJson(code), plainJson(`{${code}}`)];
    const faults = texts.map(faultOf);
    return faults.includes(undefined) ? [] : [{ file, line, message: faults[0] ?? 'not JSON' }];
  });

function faultOf(text: string): string | undefined {
  try {
    JSON.parse(text);
    return undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return error.message;
    throw error;
  }
}

/** Takes comments and trailing commas away, but none that stand in a string. */
const plainJson = (text: string): string =>
  text
    .replaceAll(/("(?:\\.|[^"\\])*")|\/\/[^\n]*|\/\*[\s\S]*?\*\//g, '$1')
    .replaceAll(/("(?:\\.|[^"\\])*")|,(?=\s*[}\]])/g, '$1');
