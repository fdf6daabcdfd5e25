import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { measure } from './rounds.ts';
import { circumstances, readStored } from './stored.ts';

function fileOf(content: unknown): string {
  const folder = mkdtempSync(join(tmpdir(), 'agent-ticket-stored-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const file = join(folder, 'result.json');
  writeFileSync(file, JSON.stringify(content));
  return file;
}

it('a result is read as it was stored', async () => {
  const result = await measure(
    {
      name: 'mint',
      does: 'a ticket',
      unit: '/s',
      better: 'more',
      bounds: { goal: 2, limit: 1 },
      floors: [{ trips: 'none', does: 'a signature' }],
    },
    { ours: async () => 2, floors: [async () => 4] },
    { count: 1, warmUp: false },
  );
  const stored = { ...circumstances(), results: [result] };
  expect(readStored(fileOf(stored))).toEqual(stored);
});

it('a file with other content is refused by its name', () => {
  const file = fileOf({ results: [] });
  expect(() => readStored(file)).toThrow(`${file} is no stored result`);
});
