import '../require-node.ts';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { quietEnvironment } from '../quiet-environment.ts';
import { build } from './build.ts';
import { type Ending, endOnSignal, exitCode } from './ending.ts';
import { greeting } from './greeting.ts';
import { holdFolder } from './hold-folder.ts';
import { holdPort } from './hold-port.ts';
import { keepSchema } from './keep-schema.ts';
import { keepSecrets } from './secrets.ts';
import { startSettings } from './settings.ts';
import type { StackFacts } from './stack.ts';

/** `npm start`: the whole system on loopback, with the data of the last start, until a signal. */
async function main(ending: Ending): Promise<void> {
  const { ports, folder, pageOrigins } = startSettings(process.env);
  // Held until the workers need them, so that of two starts at once one learns it here.
  const held = [
    await holdPort(ports.broker, 'broker'),
    await holdPort(ports.agentWorker, 'agent worker'),
    await holdPort(ports.identityProvider, 'identity provider stand-in'),
  ];
  await mkdir(folder, { recursive: true });
  await holdFolder(folder);
  const stateDir = `${folder}/state/v3`; // the layout of `wrangler … --local --persist-to <folder>/state`
  const secrets = await keepSecrets(`${folder}/secrets.json`, stateDir);
  await keepSchema(`${folder}/schema.json`, stateDir);

  Object.assign(process.env, quietEnvironment(process.env));
  process.stdout.write('building both workers …\n');
  await build(process.env, ending.wanted);

  // Imported here: it takes seconds, and everything above should fail or be interrupted at once.
  const [{ startStack }, { ringCron }] = await Promise.all([import('./stack.ts'), import('./cron.ts')]);
  const log = createWriteStream(`${folder}/workers.log`, { flags: 'a' });
  await Promise.all(held.map((port) => port.release()));
  const stack = await startStack({
    ports,
    secrets,
    pageOrigins,
    stateDir,
    identityStateDir: `${folder}/identity-provider`,
    onLog: (line) => log.write(`${line}\n`),
  });
  ending.reclaim();
  await beReady(stack.facts, folder);
  await writeFile(`${folder}/dev.json`, `${JSON.stringify(stack.facts, null, 2)}\n`, { mode: 0o600 });
  const colour = process.stdout.isTTY && process.env.NO_COLOR === undefined;
  process.stdout.write(greeting(stack.facts, folder, colour));

  const cron = ringCron(stack.workers, (line) => log.write(`${line}\n`));
  if (!ending.wanted.aborted) await once(ending.wanted, 'abort');
  await Promise.all([cron.stop(), stack.close()]);
}

/** Nothing is promised to a person that would not work. */
async function beReady({ broker }: StackFacts, folder: string): Promise<void> {
  const { ok, status } = await fetch(`${broker}/readyz`);
  if (!ok) throw new Error(`the broker does not get ready (${status}); ${folder}/workers.log says why`);
}

// Whoever reads the greeting may leave: `npm start | grep -m1 curl` goes on until it is told to end.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const ending = endOnSignal();
main(ending).then(
  () => process.exit(0),
  (error: unknown) => {
    if (ending.wanted.aborted) process.exit(exitCode(ending.wanted.reason));
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
