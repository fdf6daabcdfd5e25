import { rm } from 'node:fs/promises';
import type { TestProject } from 'vitest/node';
import { provideStack } from '../test-stack.ts';
import { unpackFormer } from './version.ts';

/** The stack of the end-to-end tests with the former version of one worker, on databases of the present one. */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  const folder = await unpackFormer('agent-worker');
  const close = await provideStack(project, [], { folders: { agentWorker: folder } });
  return async () => {
    await close();
    await rm(folder, { recursive: true });
  };
};
