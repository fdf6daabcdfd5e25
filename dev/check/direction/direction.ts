import { type Fault, lineOf } from '../fault.ts';
import { GENERATED, type SourceFile } from '../repository.ts';
import { isCode, parseCode } from '../syntax.ts';
import { globalsOf } from './globals.ts';
import { binds, GLOBAL_RULES, IMPORT_RULES } from './rules.ts';
import { type Specifier, specifiersOf, targetOf } from './specifiers.ts';

/** Every import and every global that a rule refuses to the file that has it. */
export function directionFaults(files: readonly SourceFile[]): Fault[] {
  return files.filter(({ path }) => isCode(path) && !GENERATED.test(path)).flatMap(faultsOf);
}

function faultsOf(file: SourceFile): Fault[] {
  const { program, faults } = parseCode(file);
  const fault = (at: number, message: string): Fault => ({
    file: file.path,
    line: lineOf(file.text, at),
    message,
  });
  const imports = specifiersOf(program).flatMap((specifier) =>
    importRefusals(file.path, specifier).map((because) =>
      fault(specifier.at, `imports ${specifier.text ?? 'a computed name'}: ${because}`),
    ),
  );
  const globals = globalsOf(program).flatMap(({ name, at }) =>
    GLOBAL_RULES.filter((rule) => binds(rule, file.path) && rule.globals.includes(name)).map((rule) =>
      fault(at, `uses ${name}: ${rule.because}`),
    ),
  );
  return [...faults, ...imports, ...globals];
}

function importRefusals(path: string, specifier: Specifier): string[] {
  const target = targetOf(path, specifier);
  const refusals = IMPORT_RULES.filter((rule) => binds(rule, path) && rule.imports.test(target));
  const reasons = refusals.map((rule) => rule.because);
  return climbsOver(path, specifier, target) ? [...reasons, 'enter another workspace by its name'] : reasons;
}

/** A relative path into a sibling goes round the sibling's `exports`. */
const climbsOver = (path: string, { text }: Specifier, target: string): boolean =>
  text?.startsWith('.') === true && WORKSPACE.test(target) && roomOf(target) !== roomOf(path);

const WORKSPACE = /^(shared|drizzle|broker|agent-worker|dev)\//;
const roomOf = (path: string): string | undefined => path.split('/')[0];
