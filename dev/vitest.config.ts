import { PATIENT } from '@agent-ticket/shared/test/patience.ts';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'dev',
          environment: 'node',
          include: ['**/*.test.ts'],
          exclude: ['e2e/**', 'browser/**', '**/node_modules/**'],
          ...PATIENT,
        },
      },
      {
        test: {
          name: 'e2e',
          environment: 'node',
          include: ['e2e/**/*.test.ts'],
          globalSetup: ['e2e/stack.setup.ts'],
          // One after the other in one process: the files share a stack, and two cores.
          fileParallelism: false,
          isolate: false,
          ...PATIENT,
        },
      },
    ],
  },
});
