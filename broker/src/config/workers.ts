import { WorkerName } from '@agent-ticket/shared/names.ts';
import { type AgentRegistry, DEFAULT_WORKER } from '@agent-ticket/shared/registry.ts';
import { OriginUrl } from '@agent-ticket/shared/settings.ts';
import { duplicateMember, readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import * as z from 'zod';

/** One agent worker, as the broker knows it. */
export interface AgentWorker {
  /** As agents of the registry and lines of the log name it. */
  readonly name: string;
  /** Its origin. */
  readonly url: string;
  /** As tickets name it. */
  readonly audience: string;
  /**
   * `false`: a server with the verifier alone (`@agent-ticket/agent-worker/verify`), which takes no commands. Locks then
   * refuse new tickets for it, and end no session there. Left out: a gate.
   */
  readonly control?: boolean | undefined;
}

/** The part of the configuration that names them. */
export interface WorkersConfig {
  readonly workers: readonly AgentWorker[];
}

/** Agent workers by name, as `createBroker` and the setting `WORKERS` have them. */
export type WorkersByName = Readonly<Record<string, Omit<AgentWorker, 'name'>>>;

/** The audience of a worker's commands is its own with `/control`, and must not be that of another worker's tickets. */
export const Audience = z
  .string()
  .min(1)
  .max(512)
  .refine((text) => !text.endsWith('/control'), 'must not end in /control');

const ByName = z
  .record(WorkerName, z.strictObject({ url: OriginUrl, audience: Audience, control: z.boolean().optional() }))
  .refine((workers) => Object.keys(workers).length > 0, 'must name a worker');

/** A setting that is a JSON object of agent workers. Each fault is named by worker and member; never a value. */
export const Workers = z.string().transform((text, ctx): WorkersByName => {
  const bytes = new TextEncoder().encode(text);
  const workers = ByName.safeParse(readStrictJson(bytes));
  const twice = workers.success ? duplicateMember(bytes) : undefined;
  if (workers.success && twice === undefined) return workers.data;
  const issues = workers.error?.issues ?? [{ path: [], message: 'a member came twice' }];
  for (const { path, message } of issues)
    ctx.addIssue({
      code: 'custom',
      message: `must be a JSON object of agent workers: ${path.join('.')} ${message}`,
    });
  return z.NEVER;
});

interface WorkerSettings {
  readonly TICKET_AUDIENCE?: string | undefined;
  readonly AGENT_WORKER_URL?: string | undefined;
  readonly WORKERS?: WorkersByName | undefined;
}

/** The agent workers that settings describe. {@link workersFaults} has found nothing. */
export const workersOf = ({
  TICKET_AUDIENCE,
  AGENT_WORKER_URL,
  WORKERS = {},
}: WorkerSettings): AgentWorker[] => [
  ...(TICKET_AUDIENCE === undefined || AGENT_WORKER_URL === undefined
    ? []
    : [{ name: DEFAULT_WORKER, url: AGENT_WORKER_URL, audience: TICKET_AUDIENCE }]),
  ...Object.entries(WORKERS).map(([name, worker]) => ({ name, ...worker })),
];

/** What is wrong with settings that are sound one by one: the setting, and a text. */
export function workersFaults(s: WorkerSettings): [name: string, fault: string][] {
  const { TICKET_AUDIENCE, AGENT_WORKER_URL, WORKERS } = s;
  const isSingle = TICKET_AUDIENCE !== undefined || AGENT_WORKER_URL !== undefined;
  const workers = workersOf(s);
  const twice = (of: (worker: AgentWorker) => string) => new Set(workers.map(of)).size < workers.length;
  const rules: [boolean, string, string][] = [
    [TICKET_AUDIENCE !== undefined || (WORKERS !== undefined && !isSingle), 'TICKET_AUDIENCE', 'missing'],
    [AGENT_WORKER_URL !== undefined || (WORKERS !== undefined && !isSingle), 'AGENT_WORKER_URL', 'missing'],
    [
      !twice(({ name }) => name),
      'WORKERS',
      `TICKET_AUDIENCE and AGENT_WORKER_URL are ${DEFAULT_WORKER} already`,
    ],
    [!twice(({ audience }) => audience), 'WORKERS', 'two workers have one audience'],
    [
      !twice(({ url }) => (URL.canParse(url) ? new URL(url).origin : url)),
      'WORKERS',
      'two workers have one url',
    ],
  ];
  return rules.filter(([holds]) => !holds).map(([, name, fault]) => [name, fault]);
}

/** The agent workers that take commands. */
export const commandedWorkers = ({ workers }: WorkersConfig): AgentWorker[] =>
  workers.filter(({ control = true }) => control);

/**
 * Agents that do not fit the workers, as one sentence each: the broker does not have their worker; or they belong to their
 * first user, and their worker cannot answer whether that user ever connected.
 */
export const workerMisfits = (registry: AgentRegistry, workers: readonly AgentWorker[]): string[] =>
  registry.flatMap(({ slug, worker, access }) => {
    const found = workers.find(({ name }) => name === worker);
    if (found === undefined) return [`${slug}: there is no worker ${worker}`];
    return found.control === false && access === 'first-user'
      ? [`${slug}: first-user access needs a worker that takes commands`]
      : [];
  });

/** The worker of an agent of the registry. `compose` has checked that there is one. */
export function workerOf(
  agent: string,
  { registry, config }: { readonly registry: AgentRegistry; readonly config: WorkersConfig },
): AgentWorker {
  const name = registry.find(({ slug }) => slug === agent)?.worker;
  const worker = config.workers.find((each) => each.name === name);
  if (worker === undefined) throw new TypeError(`there is no worker of ${agent}`);
  return worker;
}
