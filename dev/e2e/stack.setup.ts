import type { TestProject } from 'vitest/node';
import { provideStack } from './test-stack.ts';

/** One stack for all files; each test works on instances of its own. */
export default (project: TestProject): Promise<() => Promise<void>> => provideStack(project);
