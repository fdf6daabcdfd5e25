import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A folder that lasts as long as the tests of one file. */
export function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'agent-ticket-drizzle-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
