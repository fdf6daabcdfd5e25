import { auditVerify } from './audit-verify.ts';
import { type ExitCode, type Terminal, UsageError } from './command.ts';

export const USAGE = `agent-ticket audit verify <export> --keys <file or URL> [--anchor <file>] [--json]
    whether an export of the audit log is what was signed: content, order, gaps, tail
    --keys    the audit keys: a file, or the URL of <broker>/.well-known/audit-jwks.json
    --anchor  a file with a checkpoint that was kept elsewhere; without it nothing proves the end
    --json    the answer as one line of JSON
    exit code 0: all is as it was signed, 1: it is not, 2: it could not be looked at
`;

/** Options and words of a command line, as `parseArgs` of Node reads them. */
export interface Arguments {
  readonly words: readonly string[];
  readonly options: {
    readonly keys?: string;
    readonly anchor?: string;
    readonly json?: boolean;
    readonly help?: boolean;
  };
}

/** Runs one command. Never throws for a fault that the caller can mend: prints the remedy, and answers 2. */
export async function run({ words, options }: Arguments, terminal: Terminal): Promise<ExitCode> {
  if (options.help === true) {
    terminal.out(USAGE);
    return 0;
  }
  try {
    const [topic, verb, file, ...more] = words;
    if (topic !== 'audit' || verb !== 'verify') {
      const given = words.join(' ');
      throw new UsageError(
        `${given === '' ? '' : `There is no command "${given}". `}Commands are:\n${USAGE}`,
      );
    }
    if (file === undefined || more.length > 0)
      throw new UsageError(`Name one export. Make it with GET /admin/agents/audit/export.\n${USAGE}`);
    if (options.keys === undefined)
      throw new UsageError(
        `Give --keys the audit keys: a file, or <broker>/.well-known/audit-jwks.json.\n${USAGE}`,
      );
    const { keys, anchor, json = false } = options;
    return await auditVerify({ file, keys, anchor, json }, terminal);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    terminal.err(
      options.json === true ? `${JSON.stringify({ error: error.message })}\n` : `${error.message}\n`,
    );
    return 2;
  }
}
