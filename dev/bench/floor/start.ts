import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { convertV4MiniflareOptions, Log, LogLevel, Miniflare } from 'miniflare';
import { unstable_getMiniflareWorkerOptions as readWorker } from 'wrangler';
import { reservePort } from '../../start/reservations.ts';

export interface Floor {
  readonly url: string;
  close(): Promise<void>;
}

const CONFIG = fileURLToPath(new URL('wrangler.jsonc', import.meta.url));

/** Builds and starts the bare worker in a workerd of its own, on a free port, with all its data in `folder`. */
export async function startFloor(folder: string): Promise<Floor> {
  const built = `${folder}/dist`;
  await promisify(execFile)('wrangler', ['deploy', '--dry-run', '--config', CONFIG, '--outdir', built]);
  const { modulesRules: _rules, ...options } = readWorker(CONFIG).workerOptions;
  const { port, release } = await reservePort(0, 'floor');
  await release();
  const workers = new Miniflare(
    convertV4MiniflareOptions({
      ...options,
      name: 'floor',
      host: '127.0.0.1',
      port: 0,
      cf: false,
      log: new Log(LogLevel.ERROR),
      resourcePersistencePath: `${folder}/state`,
      rootPath: built,
      modules: true,
      scriptPath: 'worker.js',
      // As our workers have: without it each request passes through another worker first.
      unsafeDirectSockets: [{ host: '127.0.0.1', port }],
    }),
  );
  await workers.ready;
  const db = await workers.getD1Database('DB');
  await db.exec('CREATE TABLE events (id INTEGER PRIMARY KEY, at INTEGER, text TEXT)');
  await db.exec('CREATE INDEX events_at ON events (at)');
  return { url: `http://127.0.0.1:${port}`, close: () => workers.dispose() };
}
