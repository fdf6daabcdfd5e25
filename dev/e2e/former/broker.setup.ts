import { rm } from 'node:fs/promises';
import type { TestProject } from 'vitest/node';
import { provideStack } from '../test-stack.ts';
import { unpackFormer } from './version.ts';

/** The stack of the end-to-end tests with the former version of one worker, on databases of the present one. */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  const folder = await unpackFormer('broker');
  const close = await provideStack(project, [], {
    folders: { broker: folder },
    // A broker refuses to start with a permission that it does not know: rules name new ones after the upgrade.
    brokerSettings: { CLAIM_RULES: '[]' },
  });
  return async () => {
    await close();
    await rm(folder, { recursive: true });
  };
};
