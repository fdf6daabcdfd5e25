import { validateAgentRegistry, withDefaults } from '@agent-ticket/shared/registry.ts';
import { describe, expect, it } from 'vitest';
import { terminalWith } from '../test/terminal.ts';
import { run } from './run.ts';

const worker = (bindings: readonly object[], more: object = {}) => ({
  configPath: '/app/wrangler.jsonc',
  name: 'shop',
  durable_objects: { bindings },
  ...more,
});
const APP = worker([
  { name: 'ChatAgent', class_name: 'ChatAgent' },
  { name: 'COUNTER', class_name: 'Counter' },
  { name: 'myNotes', class_name: 'Notes' },
  { name: 'RECORDER', class_name: 'RecorderObject' },
  { name: 'ELSEWHERE', class_name: 'Other', script_name: 'other' },
]);

/** A folder in memory, with the answer of its wrangler. */
function terminalOf(answer: unknown, present: readonly string[] = []) {
  const files = new Map(present.map((path) => [path, 'mine']));
  const { terminal, said } = terminalWith({
    readWorker: async () => answer,
    createFiles: async (wanted) => {
      const there = wanted.map(({ path }) => path).filter((path) => files.has(path));
      if (there.length === 0) for (const { path, text } of wanted) files.set(path, text);
      return there;
    },
  });
  return { terminal, files, said };
}

describe('agent-ticket init', () => {
  it('writes the registry of the agents that the worker has itself, and the files of a broker', async () => {
    const { terminal, files, said } = terminalOf(APP);
    expect(await run(['init', '--json'], terminal)).toBe(0);
    expect(JSON.parse(said.out)).toEqual({
      written: [
        'agents.ts',
        'broker/index.ts',
        'broker/wrangler.jsonc',
        'broker/package.json',
        'broker/.gitignore',
      ],
      agents: [
        { slug: 'chat-agent', className: 'ChatAgent', binding: 'ChatAgent' },
        { slug: 'counter', className: 'Counter', binding: 'COUNTER' },
        { slug: 'my-notes', className: 'Notes', binding: 'myNotes' },
      ],
    });
    expect(files.get('agents.ts')).toContain(
      "  { slug: 'chat-agent' },\n  { slug: 'counter' },\n  { slug: 'my-notes' },\n]);",
    );
    expect(files.get('broker/index.ts')).toContain("import { AGENTS } from '../agents';");
    expect(files.get('broker/wrangler.jsonc')).toContain('"name": "shop-broker"');
    expect(JSON.parse(files.get('broker/package.json') ?? '')).toMatchObject({ private: true });
  });

  it.each([
    ['ChatAgent', 'chat-agent'],
    ['CHAT_AGENT', 'chat-agent'],
    ['Counter', 'counter'],
    ['COUNTER', 'counter'],
    ['NOTES_2', 'notes-2'],
    ['myAgent', 'my-agent'],
  ])(
    'the binding %s is the agent %s, as the Agents SDK routes, and the registry is sound',
    async (name, slug) => {
      const { terminal, said } = terminalOf(worker([{ name, class_name: 'A' }]));
      await run(['init', '--json'], terminal);
      expect(JSON.parse(said.out).agents).toEqual([{ slug, className: 'A', binding: name }]);
      expect(validateAgentRegistry([withDefaults({ slug })])).toEqual([]);
    },
  );

  it('names what is left to do, and the class that needs another binding', async () => {
    const { terminal, said } = terminalOf(APP);
    expect(await run(['init', '--folder', 'tickets'], terminal)).toBe(0);
    expect(said.out).toContain('class ChatAgent extends ticketed(Agent<Env>)');
    expect(said.out).toContain('bind the class Notes as MY_NOTES, too');
    expect(said.out.match(/, too/g)).toHaveLength(1);
    expect(said.out).toContain('npm install --prefix tickets @agent-ticket/broker wrangler');
  });

  it('takes a later compatibility date of the app, and none that is older than its own', async () => {
    for (const [date, expected] of [
      ['2026-11-01', '2026-11-01'],
      ['2024-01-01', '2026-08-01'],
    ]) {
      const { terminal, files } = terminalOf({ ...APP, compatibility_date: date });
      await run(['init'], terminal);
      expect(files.get('broker/wrangler.jsonc')).toContain(`"compatibility_date": "${expected}"`);
    }
  });

  it.each<[string, unknown, string[], string[], string]>([
    ['there is no configuration', { durable_objects: { bindings: [] } }, [], [], 'no wrangler configuration'],
    ['the worker has no objects', worker([]), [], [], 'binds no Durable Object'],
    ['a file is there', APP, [], ['agents.ts'], 'agents.ts: there already, so nothing was written'],
    ['the folder is none', APP, ['--folder', '../elsewhere'], [], 'cannot be "../elsewhere"'],
  ])('where %s it writes nothing and names the remedy', async (_case, answer, words, present, text) => {
    const { terminal, files, said } = terminalOf(answer, present);
    expect(await run(['init', ...words], terminal)).toBe(2);
    expect(said.err).toContain(text);
    expect([...files.values()]).toEqual(present.map(() => 'mine'));
  });
});
