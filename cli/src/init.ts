import { bindingNamesOf } from '@agent-ticket/shared/registry.ts';
import * as z from 'zod';
import { type ExitCode, type Terminal, UsageError } from './command.ts';

interface InitOptions {
  /** Folder of the broker, new, beside the app's wrangler configuration. */
  readonly folder: string;
  readonly json: boolean;
}

/** What `wrangler` says of the worker in this folder; other members are its own business. */
const AppWorker = z.object({
  configPath: z.string().optional(),
  name: z.string().optional(),
  compatibility_date: z.string().optional(),
  durable_objects: z.object({
    bindings: z.array(
      z.object({ name: z.string(), class_name: z.string(), script_name: z.string().optional() }),
    ),
  }),
});
type AppWorker = z.infer<typeof AppWorker>;

/** An agent as the app has it, and as the gate wants it. */
interface FoundAgent {
  readonly slug: string;
  readonly className: string;
  readonly binding: string;
}

/** Objects of the broker and of the gate: no agents. */
const OWN_CLASSES = ['RecorderObject', 'MintShardObject'];

/**
 * `agent-ticket init`, in the folder of an app's wrangler configuration: writes the registry of its agents and the
 * files of a broker. Changes no file that is there, and writes none where one of them is. Looks at Durable Object bindings
 * only: whether their classes are agents it does not know.
 */
export async function init({ folder, json }: InitOptions, terminal: Terminal): Promise<ExitCode> {
  const worker = AppWorker.parse(await terminal.readWorker());
  if (worker.configPath === undefined)
    throw new UsageError(
      'There is no wrangler configuration here. Run this where the wrangler.jsonc of your agents is.',
    );
  const agents = agentsOf(worker);
  if (agents.length === 0)
    throw new UsageError(
      `${worker.configPath} binds no Durable Object of its own. Bind the classes of your agents first.`,
    );
  const files = [
    { path: 'agents.ts', text: registryOf(agents) },
    { path: `${folder}/index.ts`, text: ENTRY },
    { path: `${folder}/wrangler.jsonc`, text: configurationOf(worker, folder) },
    { path: `${folder}/package.json`, text: manifestOf(folder) },
    // `dev` writes secrets there.
    { path: `${folder}/.gitignore`, text: '.dev.vars*\n.wrangler\nnode_modules\nwrangler.deploy*.json\n' },
  ];
  const present = await terminal.createFiles(files);
  if (present.length > 0)
    throw new UsageError(
      `${present.join(', ')}: there already, so nothing was written. Move it away, or give --folder another name.`,
    );
  const written = files.map(({ path }) => path);
  terminal.out(json ? `${JSON.stringify({ written, agents })}\n` : report(written, agents, folder));
  return 0;
}

function agentsOf({ durable_objects }: AppWorker): FoundAgent[] {
  const own = durable_objects.bindings.filter(
    ({ class_name, script_name }) => script_name === undefined && !OWN_CLASSES.includes(class_name),
  );
  const agents = own.map(({ name, class_name }) => ({
    slug: slugOf(name),
    className: class_name,
    binding: name,
  }));
  return agents.filter(({ slug }, index) => agents.findIndex((each) => each.slug === slug) === index);
}

/** The name by which the Agents SDK routes to a binding: `ChatAgent` and `CHAT_AGENT` are both `chat-agent`. */
const slugOf = (binding: string): string =>
  (binding === binding.toUpperCase()
    ? binding.toLowerCase().replaceAll('_', '-')
    : binding.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)
  ).replace(/^-|-$/g, '');

const registryOf = (agents: readonly FoundAgent[]): string =>
  `import { defineAgents } from '@agent-ticket/agent-worker/registry';

/**
 * The agents of this project. The broker decides by this registry who gets a ticket, the gate enforces it. What is left out
 * has a default: access by a grant alone; viewers read, admins write, owners call methods.
 */
export const AGENTS = defineAgents([
${agents.map(({ slug }) => `  { slug: '${slug}' },\n`).join('')}]);
`;

const ENTRY = `import { createBroker } from '@agent-ticket/broker';
import { AGENTS } from '../agents';

const broker = createBroker({ agents: AGENTS });

export class MintShardObject extends broker.MintShardObject {}
export class Backlog extends broker.Backlog {}
export default broker.handler;
`;

/** The date of a worker that names none: that which this broker is tested with. */
const COMPATIBILITY_DATE = '2026-08-01';

const configurationOf = ({ name = 'agents', compatibility_date: date }: AppWorker, folder: string): string =>
  `{
  "$schema": "../node_modules/wrangler/config-schema.json",
  "name": "${name}-${folder}",
  "main": "index.ts",
  "compatibility_date": "${date !== undefined && date > COMPATIBILITY_DATE ? date : COMPATIBILITY_DATE}",
  "compatibility_flags": ["nodejs_compat"],
  // An Access policy on the broker's hostname says nothing about workers.dev and previews, so there are none.
  "workers_dev": false,
  "preview_urls": false,
  // Secrets are no part of this file: \`agent-ticket deploy\` sets them, with the addresses of the deployment.
  "vars": {
    "ISSUER": "https://broker.example.com",
    "TICKET_AUDIENCE": "agents.example.com",
    "AGENT_WORKER_URL": "https://agents.example.com"
  },
  // \`agent-ticket deploy\` finds them by their names, or makes them. RECORD is the database that the worker of the agents binds, too.
  "d1_databases": [
    {
      "binding": "CONTROL",
      "database_name": "${name}-control",
      "database_id": "00000000-0000-0000-0000-000000000001",
      "migrations_dir": "node_modules/@agent-ticket/broker/control/migrations"
    },
    {
      "binding": "RECORD",
      "database_name": "${name}-record",
      "database_id": "00000000-0000-0000-0000-000000000002",
      "migrations_dir": "node_modules/@agent-ticket/broker/record/migrations"
    }
  ],
  // The operator's console. Without these lines there is none.
  "assets": {
    "directory": "node_modules/@agent-ticket/broker/console",
    "binding": "CONSOLE",
    "run_worker_first": true,
    "html_handling": "none",
    "not_found_handling": "none"
  },
  "durable_objects": { "bindings": [{ "name": "MINT_SHARD", "class_name": "MintShardObject" }] },
  "migrations": [{ "tag": "v1", "new_sqlite_classes": ["MintShardObject"] }],
  "triggers": { "crons": ["* * * * *"] },
  "observability": { "enabled": true, "redact_query_string": true }
}
`;

const manifestOf = (folder: string): string =>
  `${JSON.stringify({ name: folder, private: true, type: 'module' }, null, 2)}\n`;

function report(written: readonly string[], agents: readonly FoundAgent[], folder: string): string {
  const [first] = agents;
  const unbound = agents
    .filter(({ slug, binding }) => !bindingNamesOf(slug).includes(binding))
    .map(
      ({ slug, className }) =>
        `     and bind the class ${className} as ${bindingNamesOf(slug)[0]}, too: both bindings have the same objects`,
    );
  return [
    ...written.map((path) => `  ${path}`),
    '',
    'Next:',
    `  1. npm install @agent-ticket/agent-worker && npm install --prefix ${folder} @agent-ticket/broker wrangler`,
    '  2. In agents.ts say who gets in: delete what is no agent, add access and scopes.',
    `  3. Each class: class ${first?.className ?? ''} extends ticketed(Agent<Env>), from @agent-ticket/agent-worker.`,
    '  4. The entry file: const routeAgentRequest = createGate(AGENTS), in place of the import from agents, and',
    "     export { RecorderObject } from '@agent-ticket/agent-worker'",
    '  5. The wrangler configuration of the agents: RECORDER, RECORD, ISSUER and TICKET_AUDIENCE, as in',
    '     https://github.com/agent-ticket/agent-ticket-broker/blob/main/docs/start/protect.md',
    ...unbound,
    '  6. To try all of it on this machine: npx agent-ticket dev',
    '  7. To put both on Cloudflare: npx agent-ticket deploy',
    '     https://github.com/agent-ticket/agent-ticket-broker/blob/main/docs/deploy/cloudflare.md',
    '',
  ].join('\n');
}
