import { spawn } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '../quiet-environment.ts';

/** The command line as an operator has it: a process of its own. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

interface Given {
  readonly environment: Readonly<Record<string, string>>;
  /** The text that is piped into it. */
  readonly input?: string;
}

export function startCommand(words: readonly string[], { environment, input = '' }: Given) {
  const child = spawn(process.execPath, [`${ROOT}cli/src/node.ts`, ...words], {
    cwd: ROOT,
    env: { PATH: process.env.PATH, XDG_CONFIG_HOME: join(tmpdir(), 'agent-ticket-none'), ...environment },
  });
  child.stdin.end(input);
  const said = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text) => {
    said.out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text) => {
    said.err += text;
  });
  const ended = new Promise<Ended>((done) => child.on('close', (code) => done({ code, ...said })));
  return { child, ended };
}

export const credentialOf = (
  broker: string,
  { clientId, clientSecret }: { readonly clientId: string; readonly clientSecret: string },
) => ({
  AGENT_TICKET_BROKER: broker,
  AGENT_TICKET_CLIENT_ID: clientId,
  AGENT_TICKET_CLIENT_SECRET: clientSecret,
});

/** The output with `--json`, parsed. */
export const rowsOf = ({ out }: Ended): readonly Record<string, unknown>[] =>
  out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
