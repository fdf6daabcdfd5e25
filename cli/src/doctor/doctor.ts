import { findAccess } from '../api/access.ts';
import { painter } from '../api/paint.ts';
import { json, plain } from '../api/plain-text.ts';
import type { Common } from '../api/row.ts';
import { count } from '../api/show.ts';
import type { ExitCode, Terminal } from '../command.ts';
import { AGENT_CHECKS } from './agent-checks.ts';
import { BROKER_CHECKS } from './broker-checks.ts';
import { type Check, faultOf } from './check.ts';
import { CONFIGURATION_CHECKS, type Configurations, WorkerConfiguration } from './configuration.ts';
import { gatherFacts } from './facts.ts';

export interface DoctorOptions extends Common {
  readonly agent?: string | undefined;
  readonly instance?: string | undefined;
  readonly origin?: string | undefined;
  /** Wrangler configuration of the broker: looks at files, and asks no deployment. */
  readonly config?: string | undefined;
  /** That of the agent worker, beside it. */
  readonly agentConfig?: string | undefined;
}

export const DEPLOYMENT_CHECKS = [...BROKER_CHECKS, ...AGENT_CHECKS];

/** `agent-ticket doctor`: the faults of a deployment, or of the files of one, each with its remedy. 1 where there is one. */
export async function doctor(options: DoctorOptions, terminal: Terminal): Promise<ExitCode> {
  if (options.config !== undefined)
    return report(
      CONFIGURATION_CHECKS,
      await configurations(options.config, options.agentConfig, terminal),
      options,
      terminal,
    );
  const access = await findAccess(options.profile, terminal);
  return report(DEPLOYMENT_CHECKS, await gatherFacts(options, access, terminal), options, terminal);
}

async function configurations(
  broker: string,
  agentWorker: string | undefined,
  terminal: Terminal,
): Promise<Configurations> {
  const read = async (path: string) => WorkerConfiguration.parse(await terminal.readWorker(path));
  return {
    broker: await read(broker),
    agentWorker: agentWorker === undefined ? undefined : await read(agentWorker),
  };
}

function report<Known>(
  checks: readonly Check<Known>[],
  known: Known,
  { json: isJson }: Common,
  terminal: Terminal,
): ExitCode {
  const { green, red, dim } = painter(terminal.colours);
  const width = Math.max(...checks.map(({ name }) => name.length));
  const findings = checks.map(({ name, look }) => ({ name, found: look(known) }));
  for (const { name, found } of findings) {
    const verdict = found === undefined ? 'ok' : typeof found === 'string' ? 'fault' : 'skipped';
    const message = typeof found === 'object' ? found.skipped : found;
    if (isJson) terminal.out(`${json({ check: name, verdict, ...(message && { message }) })}\n`);
    else {
      const shown = { ok: green('ok     '), fault: red('FAULT  '), skipped: dim('skipped') }[verdict];
      terminal.out(`${shown}  ${message ? `${name.padEnd(width)}  ${plain(message)}` : name}\n`);
    }
  }
  const faults = findings.filter(({ found }) => faultOf(found) !== undefined).length;
  if (!isJson) terminal.err(faults === 0 ? 'Nothing is wrong.\n' : `${count(faults, 'fault')}.\n`);
  return faults === 0 ? 0 : 1;
}
