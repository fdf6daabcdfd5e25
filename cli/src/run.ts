import { Command, CommanderError, InvalidArgumentError } from '@commander-js/extra-typings';
import {
  addApiCommands,
  type CommandAt,
  commandTree,
  example,
  JSON_OPTION,
  PROFILE_OPTION,
} from './api/add-commands.ts';
import { auditExport, auditTail } from './api/audit-log.ts';
import { auditVerify } from './audit-verify.ts';
import { bootstrap } from './bootstrap.ts';
import { type ExitCode, type Terminal, UsageError } from './command.ts';
import { doctor } from './doctor/doctor.ts';
import { init } from './init.ts';
import { saveProfile } from './profiles.ts';

/** Beside the help of commander: what its exit codes mean. */
const EXIT_CODES = `
Exit codes: 0 done and well, 1 done and the answer is bad, 2 not done; then the last line says what to do.
`;

/**
 * Runs one command line, without the name of the program. Never throws for a fault that the caller can mend: says the
 * remedy, as JSON where `--json` was given, and answers 2.
 */
export async function run(words: readonly string[], terminal: Terminal): Promise<ExitCode> {
  let code: ExitCode = 0;
  const done = (result: ExitCode): void => {
    code = result;
  };
  try {
    await program(terminal, done).parseAsync(words, { from: 'user' });
    return code;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    if (!(error instanceof UsageError)) throw error;
    const { message, facts } = error;
    const text = words.includes('--json') ? JSON.stringify({ error: message, ...facts }) : message;
    terminal.err(`${text}\n`);
    return 2;
  }
}

/** The whole tree of commands: what help, completion and the reference are made of. */
export function program(terminal: Terminal, done: (code: ExitCode) => void): Command {
  const top = new Command('agent-ticket')
    .description('Tickets for agents: the operator’s and the developer’s command line.')
    .helpCommand(false)
    .exitOverride()
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.err })
    .showHelpAfterError()
    .addHelpText('afterAll', EXIT_CODES);

  top
    .command('init')
    .description('Writes the registry of this app’s agents and the files of a broker. Changes no file.')
    .option('--folder <name>', 'the folder of the broker, which is made', 'broker')
    .option('--json', 'what was written, as one line of JSON')
    .addHelpText('after', example('init --folder broker'))
    .action(async ({ folder, json = false }) => {
      done(await init({ folder, json }, terminal));
    });

  top
    .command('dev')
    .description(
      'Runs broker, sign-in stand-in and record database beside the app in this folder, until Ctrl-C.',
    )
    .option('--folder <name>', 'the folder of the broker, as init made it', 'broker')
    .option('--port <port>', 'of the app', port, 8788)
    .option('--broker-port <port>', 'of the broker', port, 8787)
    .option('--identity-provider-port <port>', 'of the stand-in', port, 8790)
    .option('--origin <origin...>', 'of pages that are served elsewhere', [])
    .addHelpText('after', example('dev --origin http://127.0.0.1:5173'))
    .action(
      async ({ folder, port: app, brokerPort: broker, identityProviderPort: identityProvider, origin }) => {
        done(await terminal.runDev({ folder, ports: { app, broker, identityProvider }, origins: origin }));
      },
    );

  const at = commandTree(top);
  addOperation(at, terminal, done);
  addApiCommands(at, terminal, done);
  addAuditLog(at, terminal, done);
  return top;
}

type Done = (code: ExitCode) => void;

/** Commands of an operator beside those that are one call. */
function addOperation(at: CommandAt, terminal: Terminal, done: Done): void {
  at('bootstrap')
    .description('Makes the first operator’s service token, for who may write to the control database.')
    .option('--d1 <config>', 'the wrangler configuration of the broker, for a database on Cloudflare')
    .option('--local', 'with --d1: the database of development')
    .option('--database <url>', 'libSQL: file:<path> or libsql://…; left out: CONTROL_DATABASE_URL')
    .option('--secrets-file <file>', 'JSON with the TOKEN_PEPPER of the broker; left out: the environment')
    .option('--name <text>', 'for operators to know the token by', 'first operator')
    .option('--again', 'also where there is an operator')
    .option('--print', 'writes nothing: prints the SQL')
    .option('--save <profile>', 'keeps the credential in a profile, and does not print it')
    .option('--broker <address>', 'with --save: the broker that it is for')
    .option('--json', 'the answer as JSON')
    .addHelpText(
      'after',
      example('bootstrap --d1 broker/wrangler.jsonc --secrets-file .dev/broker-secrets.json'),
    )
    .action(async (options) => {
      done(await bootstrap({ ...options, json: options.json ?? false }, terminal));
    });

  at('doctor')
    .description('What is wrong with a deployment, or with the files of one, and what to do.')
    .option('--agent <slug>', 'the agent to connect to; left out: the first that the credential may')
    .option('--instance <name>', 'its instance; left out: default')
    .option('--origin <origin>', 'of pages that should be let in')
    .option('--config <file>', 'the wrangler configuration of the broker: looks at files alone')
    .option('--agent-config <file>', 'with --config: that of the agent worker')
    .option(...PROFILE_OPTION)
    .option(...JSON_OPTION)
    .addHelpText('after', example('doctor --origin https://app.example.com'))
    .action(async (options) => {
      done(await doctor({ ...options, json: options.json ?? false }, terminal));
    });

  at('profiles save')
    .description('Keeps the address and the credential of the AGENT_TICKET_ variables in a file of yours.')
    .argument('<name>', 'of the profile; "default" is used where nothing is named')
    .addHelpText('after', example('profiles save production'))
    .action(async (name) => {
      done(await saveProfile(name, terminal));
    });
}

function addAuditLog(at: CommandAt, terminal: Terminal, done: Done): void {
  at('audit export')
    .description('The log as it was signed, for "audit verify".')
    .option('--file <file>', 'continues this file, or makes it; left out: the output')
    .option('--after <number>', 'after this event; left out: all', eventNumber)
    .option(...PROFILE_OPTION)
    .addHelpText('after', example('audit export --file log.ndjson'))
    .action(async (options) => {
      done(await auditExport({ ...options, json: true }, terminal));
    });
  at('audit tail')
    .description('Each new event, until Ctrl-C. With a file none is lost or repeated by a restart.')
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
    .addHelpText('after', example('audit tail --file events.ndjson'))
    .action(async (options) => {
      const { json = false, reads = false } = options;
      done(await auditTail({ ...options, json, reads }, terminal));
    });
  at('audit verify')
    .description('Checks whether an export of the audit log is what was signed: content, order, gaps, tail.')
    .argument('<export>', 'a file, made by "audit export"')
    .requiredOption(
      '--keys <file or URL>',
      'the audit keys: <broker>/.well-known/audit-jwks.json, or a file of it',
    )
    .option('--anchor <file>', 'a checkpoint that was kept elsewhere; without it nothing proves the end')
    .option('--json', 'the answer as one line of JSON')
    .addHelpText(
      'after',
      example('audit verify log.ndjson --keys https://broker.example.com/.well-known/audit-jwks.json'),
    )
    .action(async (file, { keys, anchor, json = false }) => {
      done(await auditVerify({ file, keys, anchor, json }, terminal));
    });
}

function port(text: string): number {
  const value = Number(text);
  if (/^[1-9]\d*$/.test(text) && value < 65_536) return value;
  throw new InvalidArgumentError('It must be a TCP port, 1 to 65535.');
}

function eventNumber(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be the number of an event, 0 or more.');
}

function seconds(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be seconds, 1 to 9999.');
}
