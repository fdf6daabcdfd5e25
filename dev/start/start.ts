import '../require-node.ts';
import { spawn } from 'node:child_process';
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';
import { probePort } from './free-port.ts';
import { greeting } from './greeting.ts';
import { keepSecrets } from './secrets.ts';
import { startStack } from './stack.ts';

const PORTS = { broker: 8787, agentWorker: 8788, identityProvider: 8790 } as const;
const DEV = `${ROOT}.dev`;

/** `npm start`: the whole system on loopback, with the data of the last start. */
async function main(): Promise<void> {
  await probePort(PORTS.broker, 'broker');
  await probePort(PORTS.agentWorker, 'agent worker');
  await probePort(PORTS.identityProvider, 'identity provider stand-in');
  Object.assign(process.env, quietEnvironment(process.env));

  process.stdout.write('building both workers …\n');
  await build();
  await mkdir(DEV, { recursive: true });
  const log = createWriteStream(`${DEV}/workers.log`, { flags: 'a' });
  const stack = await startStack({
    ports: PORTS,
    secrets: await keepSecrets(`${DEV}/secrets.json`),
    stateDir: `${ROOT}.wrangler/state/v3`,
    identityStateDir: `${DEV}/identity-provider`,
    onLog: (line) => log.write(`${line}\n`),
  });
  await writeFile(`${DEV}/dev.json`, `${JSON.stringify(stack.facts, null, 2)}\n`, { mode: 0o600 });
  process.stdout.write(greeting(stack.facts, process.stdout.isTTY && process.env.NO_COLOR === undefined));

  let closing = false;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (closing) return;
      closing = true;
      stack.close().then(
        () => process.exit(0),
        (error: unknown) => fail(error),
      );
    });
  }
}

function build(): Promise<void> {
  return new Promise((resolve, reject) => {
    const turbo = spawn('turbo', ['run', 'build', '--output-logs=errors-only'], {
      cwd: ROOT,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    turbo.once('error', reject);
    turbo.once('exit', (code) =>
      code === 0 ? resolve() : reject(new Error('the build failed; `npm run build` shows why')),
    );
  });
}

function fail(error: unknown): never {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

main().catch(fail);
