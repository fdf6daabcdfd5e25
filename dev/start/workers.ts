import { type Repeating, repeat, wait } from '@agent-ticket/broker/src/runtime/node/repeat.ts';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { unstable_getMiniflareWorkerOptions as readWorker } from 'wrangler';
import { ROOT } from '../quiet-environment.ts';

/** One worker as its wrangler.jsonc describes it, from its built bundle, with its own settings and port. */
export interface WorkerPlan {
  readonly name: string;
  /** Folder of wrangler.jsonc, with the bundle in `dist`; default: the workspace of that name. */
  readonly folder?: string | undefined;
  readonly port: number;
  readonly settings: Readonly<Record<string, string>>;
  /** Without its bindings to other workers. */
  readonly isAlone?: boolean;
}

export interface WorkersOptions {
  readonly workers: readonly WorkerPlan[];
  /** Folder for databases and objects; default: in memory. */
  readonly stateDir?: string | undefined;
  /** Port of the inspector of workerd; default: there is none. */
  readonly inspectorPort?: number | undefined;
  /** One line of a worker's output. */
  readonly onLog: (line: string) => void;
}

/** Starts both workers in one workerd, so that they share databases and can call each other over bindings. */
export async function startWorkers(options: WorkersOptions): Promise<Miniflare> {
  const miniflare = new Miniflare(miniflareOptions(options));
  try {
    await miniflare.ready;
    return miniflare;
  } catch (error) {
    await miniflare.dispose();
    throw error;
  }
}

/** Ends the workerd of both workers and starts another one, without the memory of the first. */
export const restartWorkers = (miniflare: Miniflare, options: WorkersOptions): Promise<void> =>
  miniflare.setOptions(miniflareOptions(options));

const miniflareOptions = ({ workers, stateDir, inspectorPort, onLog }: WorkersOptions) =>
  convertV4MiniflareOptions({
    host: '127.0.0.1',
    port: 0,
    cf: false,
    log: new Log(LogLevel.ERROR),
    handleStructuredLogs: ({ message }) => onLog(message),
    ...(stateDir === undefined ? {} : { resourcePersistencePath: stateDir }),
    ...(inspectorPort === undefined ? {} : { inspectorPort }),
    workers: workers.map(workerOptions),
  });

function workerOptions({ name, folder = `${ROOT}${name}`, port, settings, isAlone = false }: WorkerPlan) {
  const {
    modulesRules: _rules,
    bindings: _vars,
    ...options
  } = readWorker(`${folder}/wrangler.jsonc`).workerOptions;
  return {
    ...options,
    ...(isAlone ? { serviceBindings: {} } : {}),
    name,
    rootPath: `${folder}/dist`,
    modules: true as const,
    scriptPath: 'index.js',
    bindings: { ...settings },
    unsafeDirectSockets: [{ host: '127.0.0.1', port }],
  };
}

const MINUTE_MS = 60_000;

/**
 * Runs the broker's cron trigger at once and each minute, since the local runtime never does: without it nothing would be
 * sealed, rotated or retried on a developer's machine. A run that fails is one line of the log.
 */
export function startCron(workers: Miniflare, onLog: (line: string) => void): Repeating {
  async function run(): Promise<void> {
    try {
      const broker = await workers.getWorker('broker');
      await broker.scheduled({ cron: '* * * * *' });
    } catch (error) {
      onLog(
        JSON.stringify({
          event: 'cron_failed',
          error: error instanceof Error ? error.message : typeof error,
        }),
      );
    }
  }
  return repeat(run, MINUTE_MS, { clock: () => performance.now(), wait });
}
