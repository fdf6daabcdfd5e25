import * as z from 'zod';
import { type Deployment, PRODUCTION } from './settings.ts';

/** A wrangler configuration as it is written; members that are not named here pass as they are. */
export const RawWorker = z.looseObject({
  name: z.string(),
  vars: z.record(z.string(), z.unknown()).default({}),
  d1_databases: z
    .array(
      z.looseObject({
        binding: z.string(),
        database_name: z.string().optional(),
        database_id: z.string().optional(),
        migrations_dir: z.string().optional(),
      }),
    )
    .default([]),
  services: z.array(z.looseObject({ binding: z.string(), service: z.string() })).optional(),
  routes: z.array(z.union([z.string(), z.looseObject({ pattern: z.string() })])).default([]),
  assets: z.looseObject({ directory: z.string().optional() }).optional(),
  env: z.record(z.string(), z.looseObject({})).optional(),
});
export type RawWorker = z.infer<typeof RawWorker>;
type Services = NonNullable<RawWorker['services']>;

/** A worker as the project has it, with the path of its configuration from the folder of the project. */
export interface Source {
  readonly path: string;
  readonly raw: RawWorker;
}

/** Paths of a project are with slashes, on each platform. */
export const join = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join('/');
export const dirname = (path: string): string => path.replace(/[^/]*$/, '').replace(/\/$/, '');

/** The two workers of a deployment. */
export type Side = 'broker' | 'agents';

/** Names in the account, by what they are. */
export interface Names {
  readonly broker: string;
  readonly agents: string;
  readonly control: string;
  readonly record: string;
}

/** The ending of names of an environment, as wrangler has it. */
const ending = (environment: string): string => (environment === PRODUCTION ? '' : `-${environment}`);

/** Names of an environment: those of the files, and an ending for all but production. */
export function namesOf(broker: RawWorker, agents: RawWorker, environment: string): Names {
  const database = (binding: string): string =>
    broker.d1_databases.find((each) => each.binding === binding)?.database_name ??
    `${broker.name}-${binding.toLowerCase()}`;
  return {
    broker: broker.name + ending(environment),
    agents: agents.name + ending(environment),
    control: database('CONTROL') + ending(environment),
    record: database('RECORD') + ending(environment),
  };
}

/** The configuration with what its own section for the environment says, as wrangler reads one. */
export const ofEnvironment = (raw: RawWorker, environment: string): RawWorker =>
  RawWorker.parse({ ...raw, ...raw.env?.[environment], name: raw.name });

export interface Wanted {
  readonly side: Side;
  readonly environment: string;
  readonly deployment: Deployment;
  readonly accountId: string;
  readonly names: Names;
  /** Id by name; one that is not made yet has none. */
  readonly ids: ReadonlyMap<string, string>;
  /** Without them wrangler deploys nothing. */
  readonly secrets: readonly string[];
}

/**
 * The configuration that is deployed, of the one that the project has: the same worker with names, ids, addresses and
 * settings of one deployment. It belongs into the same folder, since its paths are relative.
 */
export function deployable(raw: RawWorker, wanted: Wanted): Record<string, unknown> {
  const { side, environment, deployment, accountId, names, ids, secrets } = wanted;
  const { env, ...base } = ofEnvironment(raw, environment);
  const databases: Readonly<Record<string, string>> = { CONTROL: names.control, RECORD: names.record };
  const isOwn = environment === PRODUCTION || env?.[environment] !== undefined;
  const hostnames =
    side === 'broker'
      ? [new URL(deployment.broker).hostname, ...(deployment.broker_hostnames ?? [])]
      : [new URL(deployment.agents).hostname];
  return {
    ...base,
    name: names[side],
    account_id: accountId,
    vars: varsOf(base.vars, side, deployment),
    d1_databases: base.d1_databases.map((each) => {
      const name = databases[each.binding];
      return name === undefined
        ? each
        : { ...each, database_name: name, database_id: ids.get(name) ?? `not made yet: ${name}` };
    }),
    ...((side === 'agents' || base.services !== undefined) && {
      services: servicesOf(base.services ?? [], wanted),
    }),
    routes: [
      ...hostnames.map((pattern) => ({ pattern, custom_domain: true })),
      ...(isOwn ? base.routes : []).filter(
        (route) => !hostnames.includes(typeof route === 'string' ? route : route.pattern),
      ),
    ],
    secrets: { required: secrets },
  };
}

/** The agents get keys from the broker and report to it without the internet. A binding that the file has stays. */
function servicesOf(services: Services, { side, environment, names }: Wanted): Services {
  const own = services.map((each) => ({
    ...each,
    service: each.service + ending(environment) === names.broker ? names.broker : each.service,
  }));
  const ofBroker = [
    { binding: 'BROKER', service: names.broker },
    { binding: 'BACKLOG', service: names.broker, entrypoint: 'Backlog' },
  ];
  const isThere = ({ binding }: Services[number]) => own.some((each) => each.binding === binding);
  return side === 'broker' ? own : [...own, ...ofBroker.filter((each) => !isThere(each))];
}

function varsOf(
  vars: Readonly<Record<string, unknown>>,
  side: Side,
  { broker, agents, audience, broker_vars: ofBroker, agents_vars: ofAgents }: Deployment,
): Record<string, unknown> {
  const own = side === 'broker' ? ofBroker : ofAgents;
  const texts = Object.entries(own ?? {}).map(([name, value]) => [
    name,
    typeof value === 'string' ? value : JSON.stringify(value),
  ]);
  return {
    // Pages that the agent worker serves ask the broker for tickets.
    ...(side === 'broker' && { ALLOWED_ORIGINS: agents }),
    ...vars,
    ...Object.fromEntries(texts),
    ISSUER: broker,
    TICKET_AUDIENCE: audience ?? new URL(agents).hostname,
    AGENT_WORKER_URL: agents,
  };
}
