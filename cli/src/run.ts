import { Command, CommanderError, InvalidArgumentError } from '@commander-js/extra-typings';
import { auditVerify } from './audit-verify.ts';
import { type ExitCode, type Terminal, UsageError } from './command.ts';
import { init } from './init.ts';

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
    const text = words.includes('--json') ? JSON.stringify({ error: error.message }) : error.message;
    terminal.err(`${text}\n`);
    return 2;
  }
}

function program(terminal: Terminal, done: (code: ExitCode) => void) {
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

  const audit = top.command('audit').description('The audit log.');
  audit
    .command('verify')
    .description('Checks whether an export of the audit log is what was signed: content, order, gaps, tail.')
    .argument('<export>', 'a file, made with GET /admin/agents/audit/export')
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
  return top;
}

function port(text: string): number {
  const value = Number(text);
  if (/^[1-9]\d*$/.test(text) && value < 65_536) return value;
  throw new InvalidArgumentError('It must be a TCP port, 1 to 65535.');
}

const example = (words: string): string => `\nExample:\n  agent-ticket ${words}\n`;
