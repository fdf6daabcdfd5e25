import { fileURLToPath } from 'node:url';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { unstable_getMiniflareWorkerOptions as readWorker } from 'wrangler';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

/** One worker as its wrangler.jsonc describes it, from its built bundle, with settings and a port of ours. */
export interface WorkerPlan {
  /** Folder of the workspace; also the worker's name. */
  readonly name: 'broker' | 'agent-worker';
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
  /** Without its bindings to other workers, which are not there. */
  readonly isAlone?: boolean;
}

export interface WorkersOptions {
  readonly workers: readonly WorkerPlan[];
  /** Where the workers' folders are; left out: this repository. */
  readonly root?: string | undefined;
  /** Folder for databases and objects; left out: in memory. */
  readonly stateDir?: string | undefined;
  /** One line of a worker's output. */
  readonly onLog: (line: string) => void;
}

/** Starts both workers in one workerd, so that they share databases and reach each other over bindings. */
export async function startWorkers({
  workers,
  root = ROOT,
  stateDir,
  onLog,
}: WorkersOptions): Promise<Miniflare> {
  const miniflare = new Miniflare(
    convertV4MiniflareOptions({
      host: '127.0.0.1',
      port: 0,
      cf: false,
      log: new Log(LogLevel.ERROR),
      handleStructuredLogs: ({ message }) => onLog(message),
      ...(stateDir === undefined ? {} : { resourcePersistencePath: stateDir }),
      workers: workers.map((plan) => workerOptions(plan, root)),
    }),
  );
  try {
    await miniflare.ready;
    return miniflare;
  } catch (error) {
    await miniflare.dispose();
    throw error;
  }
}

function workerOptions({ name, port, settings, isAlone = false }: WorkerPlan, root: string) {
  const {
    modulesRules: _rules,
    bindings: _vars,
    ...options
  } = readWorker(`${root}${name}/wrangler.jsonc`).workerOptions;
  return {
    ...options,
    ...(isAlone ? { serviceBindings: {} } : {}),
    name,
    rootPath: `${root}${name}/dist`,
    modules: true as const,
    scriptPath: 'index.js',
    bindings: { ...settings },
    unsafeDirectSockets: [{ host: '127.0.0.1', port }],
  };
}
