import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { openAgents } from './open-agents.ts';

const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-agents-'));
afterAll(() => rm(folder, { recursive: true }));

async function fileWith(name: string, text: string): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, text);
  return path;
}

it('a list in JSON has the defaults of defineAgents', async () => {
  const path = await fileWith('agents.json', JSON.stringify([{ slug: 'note-book', access: 'viewer' }]));
  expect(await openAgents(path)).toMatchObject([
    { slug: 'note-book', bindingKey: 'NOTE_BOOK', enabled: true },
  ]);
});

it('the registry of this repository is read as it is', async () => {
  const registry = await openAgents(new URL('../../../../agents.ts', import.meta.url).pathname);
  expect(registry.map(({ slug }) => slug)).toEqual(['counter', 'chat', 'integrations', 'lobby', 'mcp-agent']);
});

it.each<[string, string, string, RegExp]>([
  ['that is not there', 'absent.json', '', /AGENTS: .*absent\.json cannot be read/],
  ['that is no JSON', 'broken.json', '{', /AGENTS: .*broken\.json cannot be read/],
  ['that exports no AGENTS', 'other.mjs', 'export const agents = [];', /AGENTS: .*other\.mjs has no list/],
  ['with a member too many', 'member.json', '[{"slug":"a","acess":"viewer"}]', /0 Unrecognized key: "acess"/],
  ['with an access that is none', 'access.json', '[{"slug":"a","access":"all"}]', /0\.access/],
  [
    'with a tier that is none',
    'tier.json',
    '[{"slug":"a","limits":{"socketsPerPrincipal":1,"messagesPerSecond":1,"frameBytes":1,"tiers":{"gold":{}}}}]',
    /0\.limits\.tiers/,
  ],
  ['without agents', 'empty.json', '[]', /has no list of agents/],
  ['with a wrong slug', 'slug.json', '[{"slug":"A"}]', /A: slug is not kebab-case/],
])('a file %s is refused by its name and its fault', async (_what, name, text, fault) => {
  const path = text === '' ? join(folder, name) : await fileWith(name, text);
  await expect(openAgents(path)).rejects.toThrow(fault);
});
