import '../require-node.ts';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { relative } from 'node:path';
import { loadSecrets } from 'agent-ticket/src/open-secrets.ts';
import { exitCode, type Shutdown, shutdownOnSignal } from 'agent-ticket/src/open-shutdown.ts';
import { quietEnvironment } from '../quiet-environment.ts';
import { build } from './build.ts';
import { checkMigrations } from './migrations.ts';
import { reserveFolder, reservePort } from './reservations.ts';
import { startSettings } from './settings.ts';
import type { StackFacts } from './stack.ts';

/** `npm start`: the whole system on loopback, with the data of the last start, until a signal. */
async function main(shutdown: Shutdown): Promise<void> {
  const { ports, folder, pageOrigins } = startSettings(process.env);
  // Reserved until the workers need them, so that the second of two concurrent starts fails here.
  const reserved = [
    await reservePort(ports.broker, 'broker'),
    await reservePort(ports.agentWorker, 'agent worker'),
    await reservePort(ports.identityProvider, 'identity provider stand-in'),
  ];
  await mkdir(folder, { recursive: true });
  await reserveFolder(folder);
  const stateDir = `${folder}/state/v3`; // the layout of `wrangler … --local --persist-to <folder>/state`
  const secrets = await loadSecrets(`${folder}/secrets.json`, stateDir);
  await checkMigrations(`${folder}/schema.json`, stateDir);

  Object.assign(process.env, quietEnvironment(process.env));
  process.stdout.write('building both workers, which takes a minute or two the first time …\n');
  await build(process.env, shutdown.requested);

  process.stdout.write('starting both workers and the identity provider stand-in …\n');
  // Imported here: it takes seconds, and everything above should fail or be interrupted at once.
  const [{ startStack }, { startCron }] = await Promise.all([import('./stack.ts'), import('./workers.ts')]);
  const log = createWriteStream(`${folder}/workers.log`, { flags: 'a' });
  await Promise.all(reserved.map((port) => port.release()));
  const stack = await startStack({
    ports,
    secrets,
    pageOrigins,
    stateDir,
    identityStateDir: `${folder}/identity-provider`,
    onLog: (line) => log.write(`${line}\n`),
  });
  shutdown.listenAlone();
  await requireReady(stack.facts, folder);
  await writeFile(`${folder}/dev.json`, `${JSON.stringify(stack.facts, null, 2)}\n`, { mode: 0o600 });
  const colour = process.stdout.isTTY && process.env.NO_COLOR === undefined;
  process.stdout.write(summary(stack.facts, folder, colour));

  const cron = startCron(stack.workers, (line) => log.write(`${line}\n`));
  if (!shutdown.requested.aborted) await once(shutdown.requested, 'abort');
  await Promise.all([cron.stop(), stack.close()]);
}

/** `npm start` prints its summary only when the printed command works. */
async function requireReady({ broker }: StackFacts, folder: string): Promise<void> {
  const { ok, status } = await fetch(`${broker}/readyz`);
  if (!ok) throw new Error(`the broker is not ready (${status}); ${folder}/workers.log has the reason`);
}

/** The output of `npm start` once everything runs: addresses, and one command that works as pasted. */
function summary(facts: StackFacts, folder: string, colour: boolean): string {
  const bold = (text: string): string => (colour ? `\u001b[1m${text}\u001b[0m` : text);
  const near = relative(process.cwd(), folder) || '.';
  const data = near.startsWith('..') ? folder : near;
  const { clientId, clientSecret } = facts.serviceToken;
  return [
    '',
    `  ${bold('broker')}             ${facts.broker}`,
    `  ${bold('console')}            ${facts.broker}/console  (sign in as Olga)`,
    `  ${bold('agent worker')}       ${facts.agentWorker}  (demo page)`,
    `  ${bold('identity provider')}  ${facts.identityProvider}  (stand-in)`,
    '',
    '  A ticket for the counter:',
    '',
    `curl -sS ${facts.broker}/tickets -u ${clientId}:${clientSecret} -H 'content-type: application/json' -d '{"agent":"counter","instance":"demo"}'`,
    '',
    `  Addresses and credentials are in ${data}/dev.json, logs in ${data}/workers.log. Ctrl-C ends everything.`,
    '',
    '',
  ].join('\n');
}

// The reader of the summary may close the pipe: `npm start | grep -m1 curl` runs on until a signal.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
});

const shutdown = shutdownOnSignal();
main(shutdown).then(
  () => process.exit(0),
  (error: unknown) => {
    if (shutdown.requested.aborted) process.exit(exitCode(shutdown.requested.reason));
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exit(1);
  },
);
