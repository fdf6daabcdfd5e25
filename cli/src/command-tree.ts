import type { Argument, CommandUnknownOpts } from '@commander-js/extra-typings';

/** Examples by command: the library has help texts, and no examples. */
const EXAMPLES = new WeakMap<object, string>();

/** Shows an example at the end of the help of a command. `words` are without the name of the program. */
export function addExample<C extends CommandUnknownOpts>(command: C, words: string): C {
  EXAMPLES.set(command, `agent-ticket ${words}`);
  command.addHelpText('after', `\nExample:\n  agent-ticket ${words}\n`);
  return command;
}

/** A command or a group as it is: completion and the reference are made of it. */
export interface CommandNode {
  /** `keys rotate`; empty of the program. */
  readonly words: string;
  /** One sentence. */
  readonly about: string;
  readonly description: string;
  readonly usage: string;
  readonly example: string | undefined;
  readonly places: readonly { readonly flag: string; readonly about: string }[];
  readonly options: readonly Option[];
  readonly children: readonly CommandNode[];
}

interface Option {
  /** `--reason <text>` */
  readonly flag: string;
  /** `--reason` */
  readonly long: string;
  readonly about: string;
  readonly isRequired: boolean;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
  readonly usual: unknown;
}

/** `<kid>` or `[instance]`. */
export const placeOf = (place: Argument): string =>
  place.required ? `<${place.name()}>` : `[${place.name()}]`;

export function describeCommand(command: CommandUnknownOpts, before = ''): CommandNode {
  const children = command.commands.map((child) =>
    describeCommand(child, `${before} ${child.name()}`.trim()),
  );
  return {
    words: before,
    about: command.summary() || command.description(),
    description: command.description(),
    usage: ['agent-ticket', before, command.usage()].filter((part) => part !== '').join(' '),
    example: EXAMPLES.get(command),
    places: command.registeredArguments.map((each) => ({
      flag: placeOf(each),
      about: each.description,
    })),
    options: command.options.map((option) => ({
      flag: option.flags,
      long: option.long ?? option.flags,
      about: option.description,
      isRequired: option.mandatory,
      takesValue: option.required || option.optional,
      choices: option.argChoices ?? [],
      usual: option.defaultValue,
    })),
    children,
  };
}

/** A command and all below it, groups before their commands. */
export const allOf = (node: CommandNode): readonly CommandNode[] => [node, ...node.children.flatMap(allOf)];
