import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import * as z from 'zod';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';
import { type Stack, startStack } from '../start/stack.ts';
import { freePorts } from './free-ports.ts';
import { nextFrame, openSocket } from './sockets.ts';

/** Adds an agent to a copy of the sources by the steps of docs/policy/agents.md, builds both workers and uses it. */

const COPIED = ['shared', 'drizzle', 'broker', 'agent-worker'];
const LEFT_OUT = /(^|\/)(node_modules|\.wrangler|\.turbo|test)$|^(broker|agent-worker)\/dist$/;
let copy: string;
let stack: Stack;

const edit = async (path: string, change: (text: string) => string): Promise<void> => {
  const before = await readFile(join(copy, path), 'utf8');
  const after = change(before);
  if (after === before) throw new Error(`nothing to change in ${path}`);
  await writeFile(join(copy, path), after);
};

/** Sources of their own, packages of the repository. */
async function copySources(): Promise<void> {
  for (const name of COPIED) {
    const filter = (path: string) => !LEFT_OUT.test(relative(ROOT, path));
    await cp(join(ROOT, name), join(copy, name), { recursive: true, filter });
    // Only of a workspace with packages of its own.
    const own = join(ROOT, name, 'node_modules');
    if (existsSync(own)) await symlink(own, join(copy, name, 'node_modules'));
  }
  for (const file of ['tsconfig.json', 'agents.ts']) await cp(join(ROOT, file), join(copy, file));
  await mkdir(join(copy, 'node_modules', '@agent-ticket'), { recursive: true });
  for (const name of await readdir(join(ROOT, 'node_modules'))) {
    if (name !== '@agent-ticket')
      await symlink(join(ROOT, 'node_modules', name), join(copy, 'node_modules', name));
  }
  for (const name of COPIED)
    await symlink(join(copy, name), join(copy, 'node_modules', '@agent-ticket', name));
}

/** The entry and the class that the guide shows. */
async function shownInGuide(): Promise<{ entry: string; source: string }> {
  const guide = await readFile(join(ROOT, 'docs', 'policy', 'agents.md'), 'utf8');
  const [entry, source] = [...guide.matchAll(/```ts\n(.*?)```/gs)].map(([, text]) => text);
  if (entry === undefined || source === undefined) throw new Error('the guide shows no entry and class');
  return { entry, source };
}

async function addAgent(): Promise<void> {
  const { entry, source } = await shownInGuide();
  await edit('agents.ts', (text) => text.replace(']);', `${entry}]);`));
  await edit('agent-worker/wrangler.jsonc', (text) =>
    text
      .replace('"bindings": [\n', '"bindings": [\n{ "name": "NOTES", "class_name": "Notes" },\n')
      .replace('"migrations": [', '"migrations": [{ "tag": "v0", "new_sqlite_classes": ["Notes"] }, '),
  );
  await writeFile(join(copy, 'agent-worker/src/agents/notes.ts'), source);
  await edit('agent-worker/src/index.ts', (text) => `${text}\nexport { Notes } from './agents/notes.ts';\n`);
}

const build = (name: string) =>
  promisify(execFile)('wrangler', ['deploy', '--dry-run', '--outdir', 'dist'], {
    cwd: join(copy, name),
    env: quietEnvironment(process.env),
  });

beforeAll(async () => {
  copy = await mkdtemp(join(tmpdir(), 'agent-ticket-one-more-'));
  await copySources();
  await addAgent();
  await build('broker');
  await build('agent-worker');
  stack = await startStack({
    ports: await freePorts(),
    secrets: makeSecrets(),
    folders: { broker: join(copy, 'broker'), agentWorker: join(copy, 'agent-worker') },
  });
}, 180_000);

afterAll(async () => {
  await stack?.close();
  await rm(copy, { recursive: true });
});

const Frame = z.looseObject({ type: z.string() });

it('an agent is one entry, one binding and one class: listed, granted, connected to and called', async () => {
  const { adminToken, serviceToken, broker } = stack.facts;
  const as = ({ clientId, clientSecret }: typeof adminToken) => ({
    authorization: `Basic ${btoa(`${clientId}:${clientSecret}`)}`,
    'content-type': 'application/json',
  });
  const post = (path: string, who: typeof adminToken, body: object) =>
    fetch(`${broker}${path}`, { method: 'POST', headers: as(who), body: JSON.stringify(body) });
  const request = { agent: 'notes', instance: 'team' };

  expect((await post('/tickets', serviceToken, request)).status).toBe(404);
  const grant = { subject: `token:${serviceToken.id}`, ...request, role: 'admin', reason: 'test' };
  expect((await post('/admin/grants', adminToken, grant)).status).toBe(201);
  const listed = await (await fetch(`${broker}/api/agents`, { headers: as(serviceToken) })).json();
  expect(listed).toMatchObject({
    items: expect.arrayContaining([expect.objectContaining({ agent: 'notes', role: 'admin' })]),
  });

  const minted = await post('/tickets', serviceToken, request);
  const { url, scope } = z.looseObject({ url: z.string(), scope: z.string() }).parse(await minted.json());
  expect(scope).toBe('agent:connect agent:state:read agent:rpc:add');
  const { socket, frames } = openSocket(url);
  await nextFrame(socket);
  socket.send(JSON.stringify({ type: 'rpc', id: '1', method: 'add', args: ['milk'] }));
  await eventually(async () =>
    expect(frames.map((frame) => Frame.parse(JSON.parse(frame)))).toContainEqual({
      type: 'cf_agent_state',
      state: { notes: ['milk'] },
    }),
  );
});
