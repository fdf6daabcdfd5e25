import * as z from 'zod';
import { type Check, skipped } from './check.ts';

/** The part of the configuration of a worker that the checks read. */
export const WorkerConfiguration = z.object({
  name: z.string().optional(),
  vars: z.record(z.string(), z.unknown()).default({}),
  d1_databases: z.array(z.object({ binding: z.string(), database_id: z.string().optional() })).default([]),
  durable_objects: z.object({ bindings: z.array(z.object({ name: z.string() })) }).optional(),
  services: z.array(z.object({ binding: z.string(), service: z.string() })).nullish(),
  triggers: z.object({ crons: z.array(z.string()).nullish() }).optional(),
  workers_dev: z.boolean().nullish(),
  preview_urls: z.boolean().nullish(),
  observability: z
    .object({ enabled: z.boolean().nullish(), redact_query_string: z.boolean().nullish() })
    .nullish(),
});
export type WorkerConfiguration = z.infer<typeof WorkerConfiguration>;

/** Both, as they would be deployed. */
export interface Configurations {
  readonly broker: WorkerConfiguration;
  readonly agentWorker: WorkerConfiguration | undefined;
}

export const PLACEHOLDER = /(^|[./@])example\.(com|org|net)(?=[/:]|$)/;
const PLACEHOLDER_ID = /^0{8}-0{4}-0{4}-0{4}-0{11}[0-9a-f]$/;
const MUST_BE_SET = ['ISSUER', 'TICKET_AUDIENCE', 'AGENT_WORKER_URL'] as const;
export const SECRETS = [
  'KEK',
  'KEK_PREVIOUS',
  'TOKEN_PEPPER',
  'AUTH0_CLIENT_SECRET',
  'AUTH0_SESSION_ENCRYPTION_KEY',
  'CALLBACK_KEY',
  'CALLBACK_KEY_PREVIOUS',
];

/** Of a worker without this part of its configuration the platform keeps no logs. */
const logsQueries = ({ observability }: WorkerConfiguration): boolean =>
  observability != null && observability.enabled !== false && observability.redact_query_string !== true;

const idOf = ({ d1_databases: all }: WorkerConfiguration, name: string): string | undefined =>
  all.find(({ binding }) => binding === name)?.database_id;

const NOT_NAMED = skipped('Name the configuration of the agent worker by --agent-config.');

/** A setting that both must have alike. */
const alike =
  (setting: string): Check<Configurations>['look'] =>
  ({ broker, agentWorker }) => {
    if (agentWorker === undefined) return NOT_NAMED;
    return broker.vars[setting] === agentWorker.vars[setting]
      ? undefined
      : `${setting} of broker and agent worker differ. Write the same in both, character by character.`;
  };

/** Faults in the files of a deployment. Secrets are not in them. */
export const CONFIGURATION_CHECKS: readonly Check<Configurations>[] = [
  {
    name: 'settings are there',
    look: ({ broker: { vars } }) => {
      const missing = MUST_BE_SET.filter((name) => typeof vars[name] !== 'string' || vars[name] === '');
      return missing.length > 0
        ? `The broker has no ${missing.join(', ')} among its vars. Set it.`
        : undefined;
    },
  },
  {
    name: 'addresses are own',
    look: ({ broker, agentWorker }) => {
      const [name] =
        Object.entries({ ...agentWorker?.vars, ...broker.vars }).find(
          ([, value]) => typeof value === 'string' && PLACEHOLDER.test(value),
        ) ?? [];
      return name === undefined
        ? undefined
        : `${name} is still a placeholder of example.com. Write your address.`;
    },
  },
  {
    name: 'databases are made',
    look: ({ broker, agentWorker }) => {
      const left = [...broker.d1_databases, ...(agentWorker?.d1_databases ?? [])].find(
        ({ database_id: id }) => PLACEHOLDER_ID.test(id ?? ''),
      );
      return left === undefined
        ? undefined
        : `${left.binding} has no database yet. Make it by agent-ticket deploy, which writes its id into wrangler.deploy.json.`;
    },
  },
  { name: 'issuer is one', look: alike('ISSUER') },
  { name: 'audience is one', look: alike('TICKET_AUDIENCE') },
  {
    name: 'record is one',
    look: ({ broker, agentWorker }) => {
      if (agentWorker === undefined) return NOT_NAMED;
      const id = idOf(broker, 'RECORD');
      return id !== undefined && id === idOf(agentWorker, 'RECORD')
        ? undefined
        : 'RECORD of broker and agent worker are not one database: a lock would find no session. Give both the same database_id.';
    },
  },
  {
    name: 'policy is apart',
    look: ({ broker, agentWorker }) => {
      const id = idOf(broker, 'CONTROL');
      if (id === undefined) return 'The broker has no database CONTROL. Bind one.';
      const others = [
        idOf(broker, 'RECORD'),
        ...(agentWorker?.d1_databases ?? []).map((each) => each.database_id),
      ];
      return others.includes(id)
        ? 'CONTROL is bound as RECORD or by the agent worker, too: code of an agent could write policy. Make a database of its own.'
        : undefined;
    },
  },
  {
    name: 'cron is configured',
    look: ({ broker }) =>
      (broker.triggers?.crons ?? []).length > 0
        ? undefined
        : 'The broker has no cron trigger: nothing is sealed, rotated or purged. Add "triggers": { "crons": ["* * * * *"] }.',
  },
  {
    name: 'mint shards are bound',
    look: ({ broker }) =>
      broker.durable_objects?.bindings.some(({ name }) => name === 'MINT_SHARD') === true
        ? undefined
        : 'The broker has no binding MINT_SHARD. Bind MintShardObject.',
  },
  {
    name: 'no other hostname',
    look: ({ broker }) =>
      broker.workers_dev === false && broker.preview_urls === false
        ? undefined
        : 'The broker is also on workers.dev or on previews, which an Access policy does not cover. Set workers_dev and preview_urls to false.',
  },
  {
    name: 'production',
    look: ({ broker, agentWorker }) =>
      [broker, agentWorker].some(
        (each) => each?.vars.MODE === 'development' || each?.vars.AUTH_MODE === 'none',
      )
        ? 'MODE is development, or AUTH_MODE none. Leave both out of a deployment.'
        : undefined,
  },
  {
    name: 'no secret in a file',
    look: ({ broker, agentWorker }) => {
      const found = SECRETS.find(
        (name) => name in broker.vars || (agentWorker !== undefined && name in agentWorker.vars),
      );
      return found === undefined
        ? undefined
        : `${found} is among the vars, which everybody who reads the repository sees. Change it, and give it by wrangler secret put.`;
    },
  },
  {
    name: 'no query in logs',
    look: ({ broker, agentWorker }) =>
      [broker, agentWorker].some((each) => each !== undefined && logsQueries(each))
        ? 'The logs of a worker keep queries, in which tickets, codes of sign-ins and tokens of callbacks are. Set "redact_query_string": true in its observability.'
        : undefined,
  },
  {
    name: 'keys reach the agents',
    look: ({ agentWorker }) => {
      if (agentWorker === undefined) return NOT_NAMED;
      const isBound = (agentWorker.services ?? []).some(({ binding }) => binding === 'BROKER');
      const url = agentWorker.vars.BROKER_JWKS_URL ?? agentWorker.vars.ISSUER;
      return isBound || (typeof url === 'string' && url.startsWith('https://'))
        ? undefined
        : 'The agent worker has neither a service binding BROKER nor an https address of the keys. Add one.';
    },
  },
];
