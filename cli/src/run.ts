import { Argument, Command, CommanderError, Help, type HelpConfiguration } from '@commander-js/extra-typings';
import {
  type Act,
  addApiCommands,
  type CommandAt,
  commandTree,
  JSON_OPTION,
  PROFILE_OPTION,
  YES_OPTION,
} from './api/add-commands.ts';
import { auditExport, auditTail } from './api/audit-log.ts';
import { json } from './api/plain-text.ts';
import { textOf } from './api/row.ts';
import { auditVerify } from './audit-verify.ts';
import { bootstrap } from './bootstrap.ts';
import { checkValues } from './check-values.ts';
import { EXIT_CODES, type ExitCode, type Terminal, UsageError } from './command.ts';
import { type CommandNode, describeCommand, placeOf } from './command-tree.ts';
import { completionScript, SHELLS } from './completion.ts';
import { deploy } from './deploy/deploy.ts';
import { PRODUCTION } from './deploy/settings.ts';
import { doctor } from './doctor/doctor.ts';
import { init } from './init.ts';
import {
  address,
  deployedAddress,
  environmentName,
  eventNumber,
  folderName,
  libsqlAddress,
  origin,
  origins,
  port,
  profileName,
  seconds,
} from './option-values.ts';
import { addSignIn } from './sign-in/commands.ts';

/** Beside the help of commander: what its exit codes mean. */
const CODES = `
Exit codes:
${Object.entries(EXIT_CODES)
  .map(([code, meaning]) => `  ${code}  ${meaning}`)
  .join('\n')}
`;

/** Commands are listed with their arguments, and a required option is marked. */
const HELP: HelpConfiguration = {
  subcommandTerm: (command) => [command.name(), ...command.registeredArguments.map(placeOf)].join(' '),
  optionDescription: (option) =>
    new Help().optionDescription(option) + (option.mandatory ? '; required' : ''),
};

/**
 * Runs one command line, without the name of the program. Never throws for a fault that the caller can mend: says the
 * remedy, as JSON where `--json` was given, and answers 2.
 */
export async function run(words: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let code: ExitCode = 0;
  const act: Act = async (work) => {
    code = await work(terminal);
  };
  const isJson = words.includes('--json');
  const refuse = (message: string, facts: UsageError['facts']): ExitCode => {
    terminal.err(`${isJson ? json({ error: message, ...facts }) : message}\n`);
    return 2;
  };
  try {
    const err = isJson ? () => {} : terminal.err;
    await program(act, { ...terminal, err }).parseAsync(words, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof UsageError) return refuse(error.message, error.facts);
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    // The library has said it already, but not as JSON.
    return isJson ? refuse(error.message.replace(/^error: /, ''), { code: 'USAGE' }) : 2;
  }
}

/** The whole tree of commands, which the reference in the documentation is made of. */
export const describeProgram = (): CommandNode =>
  describeCommand(program(async () => {}, { out: () => {}, err: () => {}, now: () => 0 }));

function program(act: Act, { out, err, now }: Pick<Terminal, 'out' | 'err' | 'now'>): Command {
  const top = new Command('agent-ticket')
    .description('Tickets for agents: the operator’s and the developer’s command line.')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeOut: out, writeErr: err })
    .configureHelp(HELP)
    .showHelpAfterError('Add --help to see how it is used.')
    .addHelpText('afterAll', CODES);

  const at = commandTree(top);
  at(
    'init',
    'Write the registry of this app’s agents and the files of a broker. Changes no existing file.',
    'init --folder broker',
  )
    .option('--folder <name>', 'the folder of the broker, which is made', folderName, 'broker')
    .option('--json', 'what was written, as one line of JSON')
    .action(async ({ folder, json = false }) => {
      await act((terminal) => init({ folder, json }, terminal));
    });

  at(
    'dev',
    'Run broker, sign-in stand-in and record database beside the app in this folder, until Ctrl-C.',
    'dev --origin http://127.0.0.1:5173',
  )
    .option('--folder <name>', 'the folder of the broker, as init made it', folderName, 'broker')
    .option('--port <port>', 'of the app', port, 8788)
    .option('--broker-port <port>', 'of the broker', port, 8787)
    .option('--identity-provider-port <port>', 'of the stand-in', port, 8790)
    .option('--origin <origin...>', 'of pages that are served elsewhere', origins, [])
    .action(
      async ({ folder, port: app, brokerPort: broker, identityProviderPort: identityProvider, origin }) => {
        await act((terminal) =>
          terminal.runDev({ folder, ports: { app, broker, identityProvider }, origins: origin }),
        );
      },
    );

  at(
    'completion',
    'Print a script that makes a shell complete commands and options.',
    'completion bash >> ~/.bashrc',
  )
    .addArgument(new Argument('<shell>', 'which shell').choices(SHELLS))
    .action((shell) => out(completionScript(shell, describeCommand(top))));
  addOperation(at, act);
  addSignIn(at, act);
  addApiCommands(at, act, now);
  addAuditLog(at, act);
  checkValues(top);
  return top;
}

/** Commands of an operator beside those that are one call. */
function addOperation(at: CommandAt, act: Act): void {
  at(
    'bootstrap',
    'Make the first operator’s service token. You need write access to the control database.',
    'bootstrap --d1 broker/wrangler.deploy.json --secrets-file secrets.json',
  )
    .option('--d1 <config>', 'the wrangler configuration of the broker, for a database on Cloudflare')
    .option('--local', 'with --d1: the database of development')
    .option(
      '--database <url>',
      'libSQL: file:<path> or libsql://…; left out: CONTROL_DATABASE_URL',
      libsqlAddress,
    )
    .option(
      '--secrets-file <file>',
      'JSON with the TOKEN_PEPPER of the broker; left out: the environment, or its file in CREDENTIALS_DIRECTORY',
    )
    .option(
      '--name <text>',
      'for operators to know the token by',
      textOf('POST /admin/service-tokens', 'name'),
      'first operator',
    )
    .option('--again', 'also where there is an operator')
    .option('--print', 'writes nothing: prints the SQL')
    .option('--save <profile>', 'keeps the credential in a profile, and does not print it', profileName)
    .option('--broker <address>', 'with --save: the broker that it is for', address)
    .option('--json', 'the answer as JSON')
    .action(async (options) => {
      await act((terminal) => bootstrap({ ...options, json: options.json ?? false }, terminal));
    });

  at(
    'deploy',
    'Deploy broker and agents to Cloudflare: databases, migrations, secrets, workers; then check both.',
    'deploy --broker https://tickets.my-domain.dev --agents https://agents.my-domain.dev',
  )
    .option(
      '--env <name>',
      'the environment; names of all but production end with it',
      environmentName,
      PRODUCTION,
    )
    .option('--broker <address>', 'of the broker; left out: deploy.json, or you are asked', deployedAddress)
    .option(
      '--agents <address>',
      'of the agent worker; left out: deploy.json, or you are asked',
      deployedAddress,
    )
    .option('--account <id>', 'the Cloudflare account, where the login has several')
    .option(
      '--profile <name>',
      'that keeps the first operator; left out: the name of the environment',
      profileName,
    )
    .option('--folder <name>', 'the folder of the broker, as init made it', folderName, 'broker')
    .option('--agent-config <file>', 'the wrangler configuration of the agents; left out: the one here')
    .option('--dry-run', 'shows the plan, and changes nothing in the account')
    .option('--take-hostnames', 'also those at which something answers already')
    .option(...YES_OPTION)
    .option(...JSON_OPTION)
    .action(async ({ dryRun = false, takeHostnames = false, yes = false, json = false, ...options }) => {
      await act((terminal) => deploy({ ...options, dryRun, takeHostnames, yes, json }, terminal));
    });

  at(
    'doctor',
    'Find faults in a deployment or its files, and say how to fix them.',
    'doctor --origin https://app.example.com',
  )
    .option(
      '--agent <slug>',
      'the agent to connect to; left out: the first that the credential may',
      textOf('POST /tickets', 'agent'),
    )
    .option('--instance <name>', 'its instance; left out: default', textOf('POST /tickets', 'instance'))
    .option('--origin <origin>', 'of pages that should be let in', origin)
    .option('--config <file>', 'the wrangler configuration of the broker: looks at files alone')
    .option('--agent-config <file>', 'with --config: that of the agent worker')
    .option(...PROFILE_OPTION)
    .option(...JSON_OPTION)
    .action(async (options) => {
      await act((terminal) => doctor({ ...options, json: options.json ?? false }, terminal));
    });
}

function addAuditLog(at: CommandAt, act: Act): void {
  at(
    'audit export',
    'Export the log as it was signed, for "audit verify". Exits with 1 where the archive has lost a part of it.',
    'audit export --file log.ndjson',
  )
    .option('--file <file>', 'continues this file, or makes it; left out: the output')
    .option('--after <number>', 'after this event; left out: all', eventNumber)
    .option(...PROFILE_OPTION)
    .action(async (options) => {
      await act((terminal) => auditExport({ ...options, json: true }, terminal));
    });
  at(
    'audit tail',
    'Show each new event, until Ctrl-C. With --file a restart loses or repeats no event.',
    'audit tail --file events.ndjson',
  )
    .option('--file <file>', 'appends the events to it, and goes on after the last one in it')
    .option('--after <number>', 'after this event; left out: the newest', eventNumber)
    .option(
      '--every <seconds>',
      'how often the broker is asked, which is an event of the log itself',
      seconds,
      10,
    )
    .option('--reads', 'shows the events of reading the log, too')
    .option(...PROFILE_OPTION)
    .option(...JSON_OPTION)
    .action(async (options) => {
      const { json = false, reads = false } = options;
      await act((terminal) => auditTail({ ...options, json, reads }, terminal));
    });
  at(
    'audit verify',
    'Check whether an export of the audit log is what was signed: content, order, gaps, tail.',
    'audit verify log.ndjson --keys https://broker.example.com/.well-known/audit-jwks.json',
  )
    .argument('<export>', 'a file, made by "audit export"')
    .requiredOption(
      '--keys <file or URL>',
      'the audit keys: <broker>/.well-known/audit-jwks.json, or a file of it',
    )
    .option(
      '--anchor <file>',
      'a checkpoint that was kept elsewhere, or the output of "audit seal --json" from before the export; without it nothing proves the end',
    )
    .option('--json', 'the answer as one line of JSON')
    .action(async (file, { keys, anchor, json = false }) => {
      await act((terminal) => auditVerify({ file, keys, anchor, json }, terminal));
    });
}
