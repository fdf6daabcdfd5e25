import { plain } from '../api/plain-text.ts';
import { makeOperator, pepperOf } from '../bootstrap.ts';
import { type Terminal, UsageError } from '../command.ts';
import { writeProfile } from '../sign-in/profile.ts';
import { checkSteps } from './checks.ts';
import type { Side } from './configuration.ts';
import { type Facts, tagOf, writeConfigs } from './facts.ts';
import { keptSecrets, requiredSecrets, valuesOf } from './secrets.ts';
import type { Run, Step } from './step.ts';

const keep = (name: string, text: string): Step => ({
  name,
  action: 'keep',
  text,
  run: async () => undefined,
});

/** The steps of a deployment, in their order. A broker is deployed before the agents, whose worker is bound to it. */
export async function stepsOf(run: Run): Promise<readonly Step[]> {
  const { facts } = run;
  const { control, record } = facts.names;
  return [
    databaseStep('control database', control, run),
    databaseStep('record database', record, run),
    migrationStep('control tables', 'CONTROL', facts.control.pending, run),
    migrationStep('record tables', 'RECORD', facts.record.pending, run),
    secretsStep('broker', run),
    await workerStep('broker', run),
    secretsStep('agents', run),
    await workerStep('agents', run),
    operatorStep(run),
    ...checkSteps(run),
  ];
}

function databaseStep(step: string, name: string, { facts, sources, cloudflare, terminal }: Run): Step {
  if (facts.ids.has(name)) return keep(step, name);
  return {
    ...{ name: step, action: 'make', text: name },
    async run() {
      const { config } = facts.broker;
      // A database of this name that was made since the plan is used.
      await cloudflare.createDatabase(config, name).catch((error: unknown) => {
        if (!(error instanceof UsageError && error.facts.code === 'NAME_TAKEN')) throw error;
      });
      const ids = await cloudflare.databases(config);
      const id = ids.get(name);
      if (id === undefined)
        throw new UsageError(`${name} was made, but the account does not list it yet. Wait a minute.`);
      await writeConfigs({ ...facts, ids }, sources, terminal.project);
      return id;
    },
  };
}

function migrationStep(
  step: string,
  binding: string,
  pending: readonly string[],
  { facts, cloudflare }: Run,
): Step {
  if (pending.length === 0) return keep(step, 'every migration is applied');
  return {
    ...{ name: step, action: 'change', text: `apply ${pending.join(', ')}` },
    async run() {
      await cloudflare.migrate(facts.broker.config, binding);
      return undefined;
    },
  };
}

function secretsStep(side: Side, { facts, cloudflare, terminal }: Run): Step {
  const { config, missing, exists } = facts[side];
  const name = `${SIDES[side]} secrets`;
  if (missing.length === 0) return keep(name, 'all are set');
  return {
    ...{ name, action: 'make' },
    text: missing.map((each) => `${each.name} (${SOURCES[each.from]})`).join(', '),
    async run() {
      // A secret that another run has set meanwhile stays: a second KEK would open nothing.
      const present = (await cloudflare.secretNames(config)) ?? [];
      const stillMissing = missing.filter((each) => !present.includes(each.name));
      if (stillMissing.length === 0) return 'another run has set them';
      const { values, path } = await valuesOf(stillMissing, facts.secretsFile, terminal);
      try {
        await cloudflare.setSecrets(config, values);
      } catch (error) {
        // Wrangler makes a worker for them, which the next run would not recognise.
        if (!exists && (await cloudflare.secretNames(config).catch(() => undefined))?.length === 0)
          await undoing(error, () => cloudflare.deleteWorker(config), `The empty worker was deleted.`);
        throw error;
      }
      return path === undefined ? undefined : `kept in ${plain(path)}`;
    },
  };
}

const SIDES: Readonly<Record<Side, string>> = { broker: 'broker', agents: 'agent worker' };
const SOURCES = {
  environment: 'from the environment',
  'earlier run': 'from an earlier run',
  random: 'new',
  person: 'you are asked',
} as const;

/** Throws the fault with what was rolled back after it, or with why that failed. */
async function undoing(fault: unknown, undo: () => Promise<void>, done: string): Promise<never> {
  if (!(fault instanceof UsageError)) throw fault;
  const outcome = await undo().then(
    () => done,
    (error: unknown) => {
      if (!(error instanceof UsageError)) throw error;
      return `It could not be rolled back: ${error.message}`;
    },
  );
  throw new UsageError(`${fault.message} ${outcome}`, fault.facts);
}

async function workerStep(side: Side, run: Run): Promise<Step> {
  const { facts, cloudflare, terminal, before } = run;
  const worker = facts[side];
  const tag = await tagOf(worker, terminal.project);
  const changesSecrets = worker.missing.length > 0;
  const isSame = worker.live?.tag === tag && !changesSecrets;
  const text = `${facts.names[side]} at ${facts.deployment[side]}`;
  if (isSame) return keep(SIDES[side], text);
  return {
    name: SIDES[side],
    action: worker.exists ? 'change' : 'make',
    text,
    async run() {
      // The secrets before made a version of their own.
      const former = worker.live === undefined ? undefined : await cloudflare.liveVersion(worker.config);
      before.set(side, former);
      try {
        // Anew: the ids of databases are in the configuration now.
        await cloudflare.deploy(worker.config, await tagOf(worker, terminal.project));
      } catch (error) {
        const now = await cloudflare.liveVersion(worker.config).catch(() => undefined);
        if (now === undefined || now.id === former?.id) throw error;
        if (former === undefined) {
          if (now.tag !== undefined) await untag(side, run);
          throw error;
        }
        await undoing(
          error,
          () => cloudflare.rollback(worker.config, former.id),
          `${facts.names[side]} was rolled back to the version before.`,
        );
      }
      return undefined;
    },
  };
}

/** The value that a worker has, as far as this machine knows: that of this run, of the file, or of the environment. */
function knownSecret(
  name: string,
  { broker, agents }: Facts,
  kept: Readonly<Record<string, string>>,
  { environment }: Terminal,
): string | undefined {
  const isOfThisRun = [...broker.missing, ...agents.missing].some(
    (each) => each.name === name && each.from === 'environment',
  );
  return isOfThisRun ? environment[name] : (kept[name] ?? environment[name]);
}

/**
 * A first version may be live without its hostname or its cron trigger. Secrets that are set again make a version without a
 * tag, so that the next run deploys the worker again.
 */
async function untag(side: Side, { facts, cloudflare, terminal }: Run): Promise<void> {
  const { config } = facts[side];
  const kept = await keptSecrets(facts.secretsFile, terminal);
  const values = requiredSecrets(side, facts.deployment).flatMap((name) => {
    const value = knownSecret(name, facts, kept, terminal);
    return value === undefined ? [] : [[name, value] as const];
  });
  await cloudflare.setSecrets(config, Object.fromEntries(values)).catch((error: unknown) => {
    // The fault before it is the one that counts.
    if (!(error instanceof UsageError)) throw error;
  });
}

/**
 * After a check that failed: the versions from before this run, the agents first, since their worker is bound to the broker.
 * Answers sentences. Databases, migrations and secrets stay.
 */
export async function rollBack({ facts, cloudflare, before }: Run): Promise<readonly string[]> {
  const said: string[] = [];
  for (const side of ['agents', 'broker'] as const) {
    const former = before.get(side);
    if (former === undefined) continue;
    said.push(
      await cloudflare.rollback(facts[side].config, former.id).then(
        () => `${facts.names[side]} was rolled back to the version before.`,
        (error: unknown) => {
          if (!(error instanceof UsageError)) throw error;
          return `${facts.names[side]} could not be rolled back: ${error.message}`;
        },
      ),
    );
  }
  return said;
}

/** The first operator, where no rule about claims makes one. */
function operatorStep({ facts, cloudflare, terminal }: Run): Step {
  const { deployment, operators, profile, broker } = facts;
  const name = 'first operator';
  if (deployment.broker_vars?.CLAIM_RULES !== undefined) return keep(name, 'CLAIM_RULES name operators');
  if (operators > 0) return keep(name, 'there is one');
  if (terminal.environment.CI)
    return keep(name, 'none: CI would lose its credential. Deploy once from a machine of yours');
  return {
    ...{ name, action: 'make', text: `a service token, kept in the profile ${profile}` },
    async run() {
      const kept = await keptSecrets(facts.secretsFile, terminal);
      const pepper = pepperOf(knownSecret('TOKEN_PEPPER', facts, kept, terminal));
      if (pepper === undefined)
        throw new UsageError(
          'The TOKEN_PEPPER of the broker is not here. Set it in the environment, from the copy that you kept.',
        );
      const { id, secret, statements } = await makeOperator({ pepper, name, again: false }, terminal);
      const [row] = await cloudflare.query(broker.config, 'CONTROL', statements.join('; '));
      if (Number(row?.made) !== 1) return 'another run has made one';
      const credential = { broker: deployment.broker, client_id: id, client_secret: secret };
      return `kept in ${plain(await writeProfile(profile, credential, terminal))}`;
    },
  };
}
