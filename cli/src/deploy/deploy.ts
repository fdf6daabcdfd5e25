import { painter } from '../api/paint.ts';
import { json, plain } from '../api/plain-text.ts';
import { confirm } from '../api/run-row.ts';
import { count } from '../api/show.ts';
import { type ExitCode, type Terminal, UsageError } from '../command.ts';
import { adviceOf } from './advice.ts';
import { CheckFailed } from './checks.ts';
import { openCloudflare } from './cloudflare.ts';
import { RawWorker, type Source } from './configuration.ts';
import { gatherFacts } from './facts.ts';
import { findDeployment, type Given, keepDeployment } from './settings.ts';
import type { Run, Step } from './step.ts';
import { rollBack, stepsOf } from './steps.ts';

export interface DeployOptions extends Given {
  /** Folder of the broker, as `agent-ticket init` made it. */
  readonly folder: string;
  /** The wrangler configuration of the agents; left out: the one in this folder. */
  readonly agentConfig?: string | undefined;
  /** Shows the plan, and changes nothing in the account. */
  readonly dryRun: boolean;
  /** Also a hostname at which something answers that this command did not deploy. */
  readonly takeHostnames: boolean;
  readonly yes: boolean;
  readonly json: boolean;
}

/**
 * `agent-ticket deploy`: databases, migrations, secrets and both workers of one environment, by the wrangler of this
 * folder; then it checks both. Where all of that is there already it changes nothing. A step that fails ends the run, and the
 * next run continues there. A check that fails after a worker was replaced brings its version from before back.
 */
export async function deploy(options: DeployOptions, terminal: Terminal): Promise<ExitCode> {
  const { env, dryRun } = options;
  const view = viewOf(options, terminal);
  const sources = {
    broker: await readSource(`${options.folder}/wrangler.jsonc`, terminal),
    agents: await readSource(options.agentConfig ?? (await findConfig(terminal)), terminal),
  };
  const { deployment, isNew } = await findDeployment(options, sources.broker.raw.vars, terminal);
  const cloudflare = openCloudflare(terminal.runWrangler);
  const facts = await gatherFacts(env, deployment, sources, cloudflare, terminal, {
    say: view.progress,
    takesHostnames: options.takeHostnames,
  });
  const run: Run = { facts, sources, cloudflare, terminal, before: new Map() };
  const steps = await stepsOf(run);
  const changes = steps.filter(({ action }) => action === 'make' || action === 'change');
  view.plan(`${env} in the account ${facts.account.name}`, steps);
  if (dryRun) {
    view.note(
      changes.length === 0
        ? 'Nothing would change.'
        : `${count(changes.length, 'step')} would change the account. Nothing was done.`,
    );
    return 0;
  }
  if (changes.length === 0) view.note('Nothing to change.');
  else await confirm(`${count(changes.length, 'step')} change the account.`, options, terminal);
  if (isNew) await keepDeployment(env, deployment, terminal);
  const code = await runAll(steps, run, view);
  if (changes.length > 0) view.advice(adviceOf(facts));
  return code;
}

/** Without the folder of a worker there is no plan. */
async function readSource(path: string, terminal: Terminal): Promise<Source> {
  if ((await terminal.project.read(path)) === undefined)
    throw new UsageError(
      `There is no ${path}. Run this in the folder of the app, after: npx agent-ticket init`,
    );
  const read = RawWorker.safeParse(await terminal.readRawWorker(path));
  if (read.success) return { path, raw: read.data };
  const [fault] = read.error.issues;
  throw new UsageError(`${path}: ${fault?.path.join('.')}: ${fault?.message}. Correct it.`);
}

async function findConfig({ project }: Terminal): Promise<string> {
  for (const path of ['wrangler.jsonc', 'wrangler.json', 'wrangler.toml'])
    if ((await project.read(path)) !== undefined) return path;
  throw new UsageError(
    'There is no wrangler configuration here. Run this where the one of your agents is, or give --agent-config.',
  );
}

async function runAll(steps: readonly Step[], run: Run, view: View): Promise<ExitCode> {
  const todo = steps.filter(({ action }) => action !== 'keep');
  const done: string[] = [];
  for (const [index, step] of todo.entries()) {
    view.start(step, index + 1, todo.length);
    try {
      view.end(step, await step.run());
      done.push(step.name);
    } catch (error) {
      if (!(error instanceof UsageError)) throw error;
      view.fail(step);
      const undone = error instanceof CheckFailed ? await rollBack(run) : [];
      const sentences = [
        `The step "${step.name}" failed: ${error.message}`,
        ...undone,
        done.length === 0 ? 'Nothing was done before it.' : `Done before it: ${done.join(', ')}.`,
        'Then repeat the same command: it continues at this step.',
      ];
      const facts = { ...error.facts, step: step.name, done: done.join(', ') };
      throw new UsageError(sentences.join(' '), facts);
    }
  }
  return 0;
}

type View = ReturnType<typeof viewOf>;

/** Lines for a person, or an object of JSON for each. */
function viewOf({ json: isJson, dryRun }: DeployOptions, { out, err, colours }: Terminal) {
  const { green, red, yellow, dim } = painter(colours);
  const shown = {
    keep: dim('keep  '),
    make: green('make  '),
    change: yellow('change'),
    check: dim('check '),
  };
  const say = (text: string): void => {
    if (!isJson) out(`${text}\n`);
  };
  const note = (text: string): void => (isJson ? undefined : err(`${text}\n`));
  const event = (value: object): void => {
    if (isJson) out(`${json(value)}\n`);
  };
  return {
    note,
    progress: (what: string): void => note(dim(`${what} …`)),
    plan(title: string, steps: readonly Step[]): void {
      const width = Math.max(...steps.map(({ name }) => name.length));
      say(plain(`Plan for ${title}:`));
      for (const { name, action, text } of steps) {
        say(`  ${shown[action]}  ${name.padEnd(width)}  ${plain(text)}`);
        if (dryRun || action === 'keep')
          event({ step: name, action, text, status: action === 'keep' ? 'kept' : 'planned' });
      }
    },
    start: ({ name }: Step, number: number, all: number): void => note(dim(`${number}/${all} ${name} …`)),
    end({ name, action, text }: Step, more: string | undefined): void {
      say(`${green('done')}    ${name}${more === undefined ? '' : `: ${plain(more)}`}`);
      event({ step: name, action, text, status: 'done', ...(more !== undefined && { result: more }) });
    },
    fail({ name, action, text }: Step): void {
      say(`${red('FAILED')}  ${name}`);
      event({ step: name, action, text, status: 'failed' });
    },
    advice(lines: readonly string[]): void {
      say('\nNext:');
      for (const line of lines) say(`  ${plain(line)}`);
      event({ next: lines });
    },
  };
}
