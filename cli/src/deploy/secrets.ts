import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import { base64url } from 'jose';
import * as z from 'zod';
import { type Terminal, UsageError } from '../command.ts';
import type { Side } from './configuration.ts';
import type { Deployment } from './settings.ts';

interface Secret {
  readonly name: string;
  readonly side: Side;
  /** Where nothing else has it: random bytes, or the answer of a person. */
  readonly source: 'random' | 'person';
  readonly isNeeded: (deployment: Deployment) => boolean;
  readonly sound: RegExp;
  readonly form: string;
}

const KEY = { source: 'random', sound: /^[A-Za-z0-9_-]{43}$/, form: '32 bytes in base64url' } as const;
const signsIn = ({ broker_vars: vars }: Deployment): boolean => vars?.AUTH0_CLIENT_ID !== undefined;

const SECRETS: readonly Secret[] = [
  { name: 'KEK', side: 'broker', ...KEY, isNeeded: () => true },
  { name: 'TOKEN_PEPPER', side: 'broker', ...KEY, isNeeded: () => true },
  {
    ...{ name: 'AUTH0_CLIENT_SECRET', side: 'broker', source: 'person', isNeeded: signsIn },
    ...{ sound: /^[\u0021-\u007e]{1,512}$/, form: 'as Auth0 shows it, without a space' },
  },
  {
    ...{ name: 'AUTH0_SESSION_ENCRYPTION_KEY', side: 'broker', source: 'random', isNeeded: signsIn },
    ...{ sound: /^[\u0021-\u007e]{32,512}$/, form: '32 characters or more' },
  },
  { name: 'CALLBACK_KEY', side: 'agents', ...KEY, isNeeded: () => true },
];

/** Names of the secrets without which a worker is not deployed. */
export const requiredSecrets = (side: Side, deployment: Deployment): readonly string[] =>
  SECRETS.filter((each) => each.side === side && each.isNeeded(deployment)).map(({ name }) => name);

type Values = Readonly<Record<string, string>>;

/** A secret that a worker lacks, and where its value comes from. */
export interface MissingSecret {
  readonly name: string;
  readonly from: 'environment' | 'earlier run' | Secret['source'];
}

/** What is stored that a secret opens, in rows. */
export interface Sealed {
  readonly keys: number;
  readonly tokens: number;
}

/** The file of secrets of one deployment, in the user's configuration folder. A name with a dot is no profile. */
export const secretsFile = (account: string, broker: string): string =>
  `deployment.${account}.${broker}.json`;

export async function keptSecrets(file: string, terminal: Terminal): Promise<Values> {
  const text = await terminal.readPrivate(file);
  if (text === undefined) return {};
  const read = z.record(z.string(), z.string()).safeParse(parseJson(text));
  if (read.success) return read.data;
  throw new UsageError(`The file ${file} of secrets is damaged. Restore it from your copy, or move it away.`);
}

/**
 * The secrets that a worker lacks. Rejects where one cannot be had, and where a new one would not open what an old one
 * sealed: those were lost, or are on another machine.
 */
export function missingSecrets(
  side: Side,
  deployment: Deployment,
  present: readonly string[],
  kept: Values,
  sealed: Sealed,
  terminal: Terminal,
): readonly MissingSecret[] {
  const { environment, isInteractive } = terminal;
  return SECRETS.filter(
    (each) => each.side === side && each.isNeeded(deployment) && !present.includes(each.name),
  ).map(({ name, source, sound, form }) => {
    const given = environment[name];
    if (given !== undefined && given !== '') {
      if (!sound.test(given)) throw new UsageError(`${name} in the environment is not ${form}. Correct it.`);
      return { name, from: 'environment' };
    }
    if (kept[name] !== undefined) return { name, from: 'earlier run' };
    const rows = name === 'KEK' ? sealed.keys : name === 'TOKEN_PEPPER' ? sealed.tokens : 0;
    if (rows > 0)
      throw new UsageError(
        `The broker has no ${name}, and the control database has ${rows} rows that only the old one opens. Set ${name} in the environment from the copy that you kept.`,
        { code: 'SECRET_LOST' },
      );
    if (source === 'person' && !isInteractive)
      throw new UsageError(`Set ${name} in the environment: ${form}.`, { code: 'SECRET_MISSING' });
    if (source === 'random' && environment.CI)
      throw new UsageError(
        `Set ${name} in the environment, a secret of the CI: ${form}. CI keeps no copy of one that is made here. Make it by: npx node -e 'console.log(crypto.getRandomValues(Buffer.alloc(32)).toString("base64url"))'`,
        { code: 'SECRET_MISSING' },
      );
    return { name, from: source };
  });
}

/**
 * Values of missing secrets. Those that are made or asked for here are kept in the file, whose path is answered, before a
 * worker has them, since a worker does not give them back.
 */
export async function valuesOf(
  missing: readonly MissingSecret[],
  file: string,
  terminal: Terminal,
): Promise<{ readonly values: Values; readonly path: string | undefined }> {
  const typed: Record<string, string> = {};
  for (const { name, from } of missing) if (from === 'person') typed[name] = await askFor(name, terminal);
  return terminal.lockPrivate(file, async () => {
    const kept = await keptSecrets(file, terminal);
    const valueFor = ({ name, from }: MissingSecret): string => {
      // Another run on this machine may have made one since the plan.
      const value = from === 'environment' ? terminal.environment[name] : (typed[name] ?? kept[name]);
      if (value !== undefined) return value;
      if (from === 'random') return base64url.encode(terminal.randomBytes(32));
      throw new UsageError(`${name} was in the file ${file}, and is gone. Restore the file from your copy.`);
    };
    const values = Object.fromEntries(missing.map((each) => [each.name, valueFor(each)]));
    const own = missing.filter(({ from }) => from !== 'environment').map(({ name }) => [name, values[name]]);
    if (own.length === 0) return { values, path: undefined };
    const text = JSON.stringify({ ...kept, ...Object.fromEntries(own) }, null, 2);
    return { values, path: await terminal.writePrivate(file, `${text}\n`) };
  });
}

async function askFor(name: string, terminal: Terminal): Promise<string> {
  const input = terminal.openInput(`${name} (it is not shown): `, true);
  const answer = (await input.next())?.trim() ?? '';
  input.close();
  const secret = SECRETS.find((each) => each.name === name);
  if (secret?.sound.test(answer) === true) return answer;
  throw new UsageError(`${name} must be ${secret?.form}. Run the same command again.`);
}
