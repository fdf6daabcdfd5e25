import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import * as z from 'zod';
import { type Terminal, UsageError } from '../command.ts';
import { PLACEHOLDER, SECRETS } from '../doctor/configuration.ts';

/** The environment whose names have no ending. */
export const PRODUCTION = 'production';

/** Settings of a worker by name. A list or an object becomes JSON. */
const Vars = z.record(z.string(), z.union([z.string(), z.number(), z.array(z.unknown()), z.looseObject({})]));

const Deployment = z.strictObject({
  /** `ISSUER`: an https origin. */
  broker: z.string(),
  /** `AGENT_WORKER_URL`: an https origin. */
  agents: z.string(),
  /** `TICKET_AUDIENCE`; left out: the hostname of the agents. */
  audience: z.string().min(1).optional(),
  /** Id of the Cloudflare account; left out: the only one that the login has. */
  account: z.string().optional(),
  /** The profile that keeps the first operator, and that the probe uses; left out: the name of the environment. */
  profile: z.string().optional(),
  /** More hostnames of the broker, such as one behind Access. */
  broker_hostnames: z.array(z.string().regex(/^[a-z0-9-]+(\.[a-z0-9-]+)+$/)).optional(),
  broker_vars: Vars.optional(),
  agents_vars: Vars.optional(),
});
export type Deployment = z.infer<typeof Deployment>;

/** Settings of deployments, by environment. No secret is in it, so a project may keep it in its repository. */
export const SETTINGS_FILE = 'deploy.json';
const Settings = z.record(z.string(), Deployment);
type Settings = z.infer<typeof Settings>;

/** These follow from the addresses, and are the same on both sides. */
const DERIVED = ['ISSUER', 'TICKET_AUDIENCE', 'AGENT_WORKER_URL'];

export interface Given {
  readonly env: string;
  readonly broker?: string | undefined;
  readonly agents?: string | undefined;
  readonly account?: string | undefined;
  readonly profile?: string | undefined;
}

/**
 * Settings of one deployment: of the file; else of the options, the vars that are written in the project (in production) and the answers of a
 * person. `isNew` says that the file lacks them. Writes no file.
 */
export async function findDeployment(
  given: Given,
  written: Readonly<Record<string, unknown>>,
  terminal: Terminal,
): Promise<{ readonly deployment: Deployment; readonly isNew: boolean }> {
  const stored = (await readSettings(terminal))[given.env];
  if (stored !== undefined) {
    requireSame(given, stored);
    return { deployment: sound(stored, SETTINGS_FILE), isNew: false };
  }
  const vars = given.env === PRODUCTION ? written : {};
  const own = (name: string): string | undefined => {
    const value = vars[name];
    return typeof value === 'string' && value !== '' && !PLACEHOLDER.test(value) ? value : undefined;
  };
  const address = async (option: 'broker' | 'agents', name: string, about: string) =>
    given[option] ?? own(name) ?? (await ask(option, `Address of the ${about}, as https://…: `, terminal));
  const audience = own('TICKET_AUDIENCE');
  const deployment = {
    broker: await address('broker', 'ISSUER', 'broker'),
    agents: await address('agents', 'AGENT_WORKER_URL', 'agent worker'),
    ...(audience !== undefined && { audience }),
    ...(given.account !== undefined && { account: given.account }),
    ...(given.profile !== undefined && { profile: given.profile }),
  };
  return { deployment: sound(deployment, 'the options'), isNew: true };
}

/** Adds a deployment to the file. */
export async function keepDeployment(env: string, deployment: Deployment, terminal: Terminal): Promise<void> {
  const all = { ...(await readSettings(terminal)), [env]: deployment };
  await terminal.project.write(SETTINGS_FILE, `${JSON.stringify(all, null, 2)}\n`);
}

async function readSettings(terminal: Terminal): Promise<Settings> {
  const text = await terminal.project.read(SETTINGS_FILE);
  if (text === undefined) return {};
  const read = Settings.safeParse(parseJson(text));
  if (read.success) return read.data;
  const [fault] = read.error.issues;
  throw new UsageError(
    `${SETTINGS_FILE} is not as it must be: ${fault?.path.join('.') || 'JSON'}: ${fault?.message}. Correct it, or delete it to be asked again.`,
  );
}

function requireSame(given: Given, stored: Deployment): void {
  for (const name of ['broker', 'agents', 'account', 'profile'] as const)
    if (given[name] !== undefined && given[name] !== stored[name])
      throw new UsageError(
        `--${name} differs from ${SETTINGS_FILE}, which has ${stored[name] ?? 'none'} for ${given.env}. Change it there, or leave out the option.`,
      );
}

async function ask(option: string, question: string, terminal: Terminal): Promise<string> {
  if (!terminal.isInteractive)
    throw new UsageError(`Give --${option}, an address such as https://${option}.my-domain.dev.`);
  const input = terminal.openInput(question);
  const answer = await input.next();
  input.close();
  return answer?.trim() ?? '';
}

/** Addresses are compared character by character by both workers. */
function sound(deployment: Deployment, source: string): Deployment {
  for (const name of ['broker', 'agents'] as const) {
    const text = deployment[name];
    const url = URL.parse(text);
    if (url === null || url.protocol !== 'https:' || url.origin !== text || url.port !== '')
      throw new UsageError(
        `The address "${text}" of ${name} in ${source} must be https:// and a hostname of a zone of yours, and no more: no slash at its end, no port.`,
      );
    if (PLACEHOLDER.test(text))
      throw new UsageError(`${text} is a placeholder. Name an address of a zone of yours.`);
  }
  if (deployment.broker === deployment.agents)
    throw new UsageError(
      'Broker and agent worker need an address each: an Access policy on one must not cover the other.',
    );
  for (const vars of ['broker_vars', 'agents_vars'] as const)
    for (const name of Object.keys(deployment[vars] ?? {})) {
      if (SECRETS.includes(name))
        throw new UsageError(
          `${name} in ${SETTINGS_FILE} is a secret, which belongs into no file of the project. Change it, delete it there, and set it in the environment.`,
        );
      if (DERIVED.includes(name))
        throw new UsageError(`${name} in ${vars} follows from broker, agents and audience. Set those.`);
    }
  return deployment;
}
