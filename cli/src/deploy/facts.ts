import { hex } from '@agent-ticket/shared/hex.ts';
import { plain } from '../api/plain-text.ts';
import { type Project, type Terminal, UsageError } from '../command.ts';
import { faultOf } from '../doctor/check.ts';
import { CONFIGURATION_CHECKS, WorkerConfiguration } from '../doctor/configuration.ts';
import { readProfile } from '../sign-in/profile.ts';
import { answerOf } from './answer.ts';
import type { Account, Cloudflare, Version } from './cloudflare.ts';
import {
  deployable,
  dirname,
  join,
  type Names,
  namesOf,
  ofEnvironment,
  type Side,
  type Source,
} from './configuration.ts';
import { type Migrations, NO_ROWS, readDatabase, readSealed } from './databases.ts';
import { keptSecrets, type MissingSecret, missingSecrets, requiredSecrets, secretsFile } from './secrets.ts';
import { type Deployment, PRODUCTION } from './settings.ts';

/** What a plan is made of: the account and the project as they are. */
export interface Facts {
  readonly environment: string;
  readonly deployment: Deployment;
  readonly account: Account;
  readonly names: Names;
  readonly ids: ReadonlyMap<string, string>;
  readonly control: Migrations;
  readonly record: Migrations;
  /** Operators that are service tokens. */
  readonly operators: number;
  readonly broker: WorkerFacts;
  readonly agents: WorkerFacts;
  /** Of the file of secrets. */
  readonly secretsFile: string;
  /** Name of the profile of this deployment. */
  readonly profile: string;
}

export interface WorkerFacts {
  /** The configuration that is deployed. */
  readonly config: string;
  /** The part of the tag that is of the build. */
  readonly build: string;
  readonly live: Version | undefined;
  readonly exists: boolean;
  readonly missing: readonly MissingSecret[];
}

/** Both workers as the project has them. */
export interface Sources {
  readonly broker: Source;
  readonly agents: Source;
}

/** Where builds of a deployment are. */
const BUILDS = '.agent-ticket';

export const configPath = ({ path }: Source, environment: string): string =>
  join(dirname(path), `wrangler.deploy${environment === PRODUCTION ? '' : `.${environment}`}.json`);

/** Reads the account, and builds both workers. Changes nothing in the account. */
export async function gatherFacts(
  environment: string,
  deployment: Deployment,
  sources: Sources,
  cloudflare: Cloudflare,
  terminal: Terminal,
  { say, takesHostnames }: { say: (what: string) => void; takesHostnames: boolean },
): Promise<Facts> {
  const { project } = terminal;
  const names = namesOf(sources.broker.raw, sources.agents.raw, environment);
  const profile = deployment.profile ?? environment;
  await requireOwnProfile(profile, deployment, terminal);
  say('asking for the account');
  const account = accountOf(deployment, await cloudflare.accounts(), terminal);
  const write = (ids: ReadonlyMap<string, string>) =>
    writeConfigs({ environment, deployment, account, names, ids }, sources, project);
  const configs = await write(new Map());
  say('looking at databases, workers and secrets');
  const ids = await cloudflare.databases(configs.broker);
  await write(ids);
  await requireSound(configs, terminal);
  const read = (binding: string, name: string) =>
    readDatabase(
      { binding, id: ids.get(name), name, config: configs.broker },
      sources.broker,
      cloudflare,
      project,
    );
  // At once: each question is a process that takes seconds.
  const [control, record] = await Promise.all([read('CONTROL', names.control), read('RECORD', names.record)]);
  const sealed =
    control.tables.length === 0 ? NO_ROWS : await readSealed(configs.broker, control.tables, cloudflare);
  const file = secretsFile(account.id, names.broker);
  const kept = await keptSecrets(file, terminal);
  await project.write(join(BUILDS, '.gitignore'), '*\n');
  const workerFacts = async (side: Side): Promise<WorkerFacts> => {
    const config = configs[side];
    const present = await cloudflare.secretNames(config);
    const live = present === undefined ? undefined : await cloudflare.liveVersion(config);
    if (side === 'broker') requireOurs(names.broker, present, live);
    if (present === undefined && !takesHostnames) await requireFree(deployment[side], terminal);
    const missing = missingSecrets(side, deployment, present ?? [], kept, sealed, terminal);
    say(`building ${names[side]}`);
    const folder = join(BUILDS, 'build', environment, side);
    await cloudflare.build(config, folder);
    const { path, raw } = sources[side];
    const assets = ofEnvironment(raw, environment).assets?.directory;
    const folders = [folder, ...(assets === undefined ? [] : [join(dirname(path), assets)])];
    return { config, build: await project.digest(folders), live, exists: present !== undefined, missing };
  };
  const [broker, agents] = await Promise.all([workerFacts('broker'), workerFacts('agents')]);
  return {
    ...{ environment, deployment, account, names, ids, control, record, profile, secretsFile: file },
    ...{ operators: sealed.operators, broker, agents },
  };
}

/** The credential of another broker would be lost. */
async function requireOwnProfile(name: string, { broker }: Deployment, terminal: Terminal): Promise<void> {
  const profile = await readProfile(name, terminal);
  if (profile === undefined || profile.broker === broker) return;
  throw new UsageError(
    `The profile ${name} is of another broker, ${plain(profile.broker)}. Give --profile another name.`,
    { code: 'PROFILE_TAKEN' },
  );
}

function accountOf({ account }: Deployment, all: readonly Account[], { environment }: Terminal): Account {
  const wanted = account ?? environment.CLOUDFLARE_ACCOUNT_ID;
  const [only] = all;
  if (only === undefined)
    throw new UsageError('The login has no account. Log in by npx wrangler login.', { code: 'NO_ACCOUNT' });
  const found =
    wanted === undefined ? (all.length === 1 ? only : undefined) : all.find(({ id }) => id === wanted);
  if (found !== undefined) return found;
  const list = all.map(({ id, name }) => `${id} (${name})`).join(', ');
  throw new UsageError(
    wanted === undefined
      ? `The login has ${all.length} accounts. Give --account, one of ${list}.`
      : `The login does not have the account ${wanted}. It has ${list}.`,
    { code: 'NO_ACCOUNT' },
  );
}

/** Writes the two generated files. Answers their paths. */
export async function writeConfigs(
  facts: Pick<Facts, 'environment' | 'deployment' | 'account' | 'names' | 'ids'>,
  sources: Sources,
  project: Project,
): Promise<Readonly<Record<Side, string>>> {
  const { account, environment, deployment, names, ids } = facts;
  const one = async (side: Side): Promise<string> => {
    const path = configPath(sources[side], environment);
    const secrets = requiredSecrets(side, deployment);
    const wanted = { side, environment, deployment, accountId: account.id, names, ids, secrets };
    await project.write(path, `${JSON.stringify(deployable(sources[side].raw, wanted), null, 2)}\n`);
    return path;
  };
  return { broker: await one('broker'), agents: await one('agents') };
}

/** Faults of the files are found before anything is made. */
async function requireSound(configs: Readonly<Record<Side, string>>, terminal: Terminal): Promise<void> {
  const read = async (path: string) => WorkerConfiguration.parse(await terminal.readWorker(path));
  const known = { broker: await read(configs.broker), agentWorker: await read(configs.agents) };
  const faults = CONFIGURATION_CHECKS.map(({ look }) => faultOf(look(known))).filter(
    (found) => found !== undefined,
  );
  if (faults.length > 0) throw new UsageError(faults.join(' '), { code: 'CONFIGURATION' });
}

/**
 * Wrangler would replace a worker of that name without a question. One of ours has a tag, or the
 * secrets of a broker that was deployed by hand.
 */
function requireOurs(name: string, secrets: readonly string[] | undefined, live: Version | undefined): void {
  if (secrets === undefined || secrets.includes('KEK') || live?.tag?.startsWith(TAG) === true) return;
  throw new UsageError(
    `The account has a worker ${name} that is no broker, and it would be replaced. Change "name" in the configuration of the broker.`,
    { code: 'NAME_TAKEN' },
  );
}

/**
 * Without a terminal wrangler moves a hostname, with its DNS record, from whatever has it. Does NOT see a record at which no
 * web server answers.
 */
async function requireFree(address: string, terminal: Terminal): Promise<void> {
  if ((await answerOf(address, terminal)) === undefined) return;
  throw new UsageError(
    `Something answers at ${address} already, and the hostname would be taken from it. Name another address, or add --take-hostnames.`,
    { code: 'HOSTNAME_TAKEN' },
  );
}

/** How the tag of a version begins that was deployed here. The platform has room for few characters. */
const TAG = 'at-';
const TAG_DIGITS = 16;

/** The same where neither the code nor the configuration of a worker changed. */
export async function tagOf({ config, build }: WorkerFacts, project: Project): Promise<string> {
  const text = new TextEncoder().encode(`${build}\n${await project.read(config)}`);
  const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', text));
  return TAG + hex(hash).slice(0, TAG_DIGITS);
}
