import { Argument, type Command, Option } from '@commander-js/extra-typings';
import type { ExitCode, Terminal } from '../command.ts';
import { addExample } from '../command-tree.ts';
import { profileName, rows } from '../option-values.ts';
import { CHECK_GROUPS, conformance } from '../probe/conformance.ts';
import { probe } from '../probe/probe.ts';
import { connect } from './connect.ts';
import { operationOf } from './operation.ts';
import { type ApiRow, type Common, fieldsOf, isPaged, textOf } from './row.ts';
import { API_ROWS } from './rows.ts';
import { runRow } from './run-row.ts';
import { why } from './why.ts';

/** Runs the work of a command, with the terminal of this run. */
export type Act = (work: (terminal: Terminal) => Promise<ExitCode>) => Promise<void>;

export const PROFILE_OPTION = [
  '--profile <name>',
  'the kept address and credential; left out: the environment',
  profileName,
] as const;
export const JSON_OPTION = ['--json', 'the answer as JSON, a line for each row'] as const;
export const YES_OPTION = ['--yes', 'ask nobody'] as const;

const GROUPS: Readonly<Record<string, string>> = {
  agents: 'Agents, and the deletion of an instance.',
  keys: 'Signing keys.',
  'service-tokens': 'Credentials of machines.',
  webhooks: 'Receivers of audit events.',
  grants: 'Roles of people and services at agents.',
  locks: 'Locks on people, agents, instances, tickets and keys.',
  principals: 'People and services by their labels.',
  sessions: 'Live and past sessions, and their end.',
  audit: 'The audit log.',
  profiles: 'Kept addresses and credentials of brokers.',
};

/** Makes a command with its description and an example, both without the name of the program. */
export type CommandAt = (words: string, about: string, example: string) => Command;

/** Makes commands below their groups, and each group with its first command. */
export function commandTree(top: Command): CommandAt {
  const groups = new Map<string, Command>();
  const groupOf = (name: string, example: string): Command => {
    const group =
      groups.get(name) ??
      addExample(
        top
          .command(name)
          .description(GROUPS[name] ?? name)
          .helpCommand(false),
        example,
      );
    groups.set(name, group);
    return group;
  };
  return (words, about, example) => {
    const [first = '', second] = words.split(' ');
    const command = second === undefined ? top.command(first) : groupOf(first, example).command(second);
    return addExample(command.summary(about).description(about), example);
  };
}

const ticketMember = (name: string) => textOf('POST /tickets', name);

/** Adds the commands that ask a broker. `now` in ms. */
export function addApiCommands(at: CommandAt, act: Act, now: () => number): void {
  for (const row of API_ROWS) addRow(row, at, act, now);

  at(
    'connect',
    'Connect to one instance: show frames, call methods, renew, until the end of the input.',
    'connect counter demo',
  )
    .argument('<agent>', 'slug of the agent', ticketMember('agent'))
    .argument('[instance]', 'name of the instance; left out: default', ticketMember('instance'))
    .option('--scope <scopes>', 'less than the role allows, separated by spaces', ticketMember('scope'))
    .option(...PROFILE_OPTION)
    .option(...JSON_OPTION)
    .action(async (agent, instance, options) => {
      await act((terminal) =>
        connect({ ...options, agent, instance, json: options.json ?? false }, terminal),
      );
    });

  at(
    'probe',
    'Check that a deployment admits a valid ticket once and refuses invalid ones. Opens one session. With --conformance: all that the documentation requires of a broker and its gate.',
    'probe counter demo',
  )
    .argument('<agent>', 'slug of an agent that this credential may connect to', ticketMember('agent'))
    .argument('[instance]', 'name of the instance; left out: default', ticketMember('instance'))
    .option('--conformance', 'every check of the conformance kit, in about a minute')
    .addOption(new Option('--group <groups...>', 'only these checks of the kit').choices(CHECK_GROUPS))
    .option(...PROFILE_OPTION)
    .option(...JSON_OPTION)
    .action(async (agent, instance, { conformance: isWhole, group: groups, json = false, ...options }) => {
      const asked = { ...options, agent, instance, json };
      await act((terminal) =>
        isWhole || groups !== undefined
          ? conformance({ ...asked, groups: groups ?? [] }, terminal)
          : probe(asked, terminal),
      );
    });

  at(
    'why',
    'Explain a refusal from the request id that the person quotes.',
    'why 6f9619ff-8b86-4d01-b42d-00c04fc964ff',
  )
    .argument(
      '<request id>',
      'X-Request-Id of the answer, or request_id in its body',
      textOf('GET /admin/agents/audit', 'request_id'),
    )
    .option(...PROFILE_OPTION)
    .option(...JSON_OPTION)
    .action(async (id, options) => {
      await act((terminal) => why(id, { ...options, json: options.json ?? false }, terminal));
    });
}

function addRow(row: ApiRow, at: CommandAt, act: Act, now: () => number): void {
  const { summary, description } = operationOf(row.call);
  const command = at(row.words, `${row.about ?? summary}.`, row.example);
  if (description !== undefined && row.about === undefined) command.description(`${summary}. ${description}`);
  const { places, options } = fieldsOf(row);
  for (const { flag, about, read, choices = [] } of places) {
    const argument = new Argument(flag, about).argParser((text) => read(text, now()));
    command.addArgument(choices.length > 0 ? argument.choices(choices) : argument);
  }
  for (const { flag, about, read, isRequired = false, choices = [] } of options) {
    const option = new Option(flag, about).makeOptionMandatory(isRequired);
    // The parser of an option without a value would be given none.
    if (option.isBoolean()) command.addOption(option);
    else
      command.addOption(
        choices.length > 0 ? option.choices(choices) : option.argParser((text) => read(text, now())),
      );
  }
  if (isPaged(row)) command.option('--limit <rows>', 'the most rows to show; left out: all', rows);
  if (row.ends !== undefined) command.option(...YES_OPTION);
  command
    .option(...PROFILE_OPTION)
    .option(...JSON_OPTION)
    .action(async () => {
      const given: Readonly<Record<string, unknown>> = command.opts();
      await act((terminal) => runRow(row, command.processedArgs, given, commonOf(given), terminal));
    });
}

function commonOf({ profile, json, limit, yes }: Readonly<Record<string, unknown>>): Common {
  return {
    ...(typeof profile === 'string' && { profile }),
    ...(typeof limit === 'number' && { limit }),
    json: json === true,
    yes: yes === true,
  };
}
