import { CONTROL_CHARACTER } from '@agent-ticket/shared/describe-values.ts';
import { type CommandUnknownOpts, InvalidArgumentError } from '@commander-js/extra-typings';
import { cut, plain } from './api/plain-text.ts';

/** In characters. A longer value makes a message harder to read. */
const SHOWN_COLUMNS = 60;

type Parse = (text: string, before: unknown) => unknown;

/**
 * Makes every command below refuse a value that is empty, has a control character or comes twice, and name the option or
 * argument of each value that its own reader refuses. The library itself accepts any text, and takes the last of two
 * values.
 */
export function checkValues(command: CommandUnknownOpts): void {
  for (const option of command.options.filter((each) => each.required || each.optional))
    option.argParser(checked(`option '${option.flags}'`, option.variadic, command, option.parseArg));
  for (const argument of command.registeredArguments)
    argument.argParser(
      checked(`argument '${argument.name()}'`, argument.variadic, command, argument.parseArg),
    );
  for (const child of command.commands) checkValues(child);
}

function checked(
  subject: string,
  isVariadic: boolean,
  command: CommandUnknownOpts,
  parse: Parse = (text) => text,
): Parse {
  let came = false;
  return (text, before) => {
    const refuse = (why: string) =>
      command.error(`error: ${subject} ${why}`, { code: 'agent-ticket.invalidValue', exitCode: 2 });
    if (came && !isVariadic) refuse('came twice. Give it once.');
    came = true;
    const isEmpty = text.trim() === '';
    const control = CONTROL_CHARACTER.exec(text)?.[0];
    const fault = isEmpty
      ? 'is empty.'
      : control === undefined
        ? `cannot be "${plain(cut(text, SHOWN_COLUMNS))}".`
        : `has a control character (U+${hex(control)}).`;
    try {
      const value = parse(text, before);
      if (!isEmpty && control === undefined) return value;
    } catch (error) {
      if (!(error instanceof InvalidArgumentError)) throw error;
      return refuse(`${fault} ${error.message}`);
    }
    return refuse(`${fault} ${isEmpty ? 'Leave it out, or give it a value.' : 'Remove it.'}`);
  };
}

const hex = (character: string): string =>
  (character.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0');
