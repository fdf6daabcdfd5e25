import { PATIENT } from '@agent-ticket/shared/test/patience.ts';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    name: 'browser',
    environment: 'node',
    include: ['**/*.test.{ts,tsx}'],
    globalSetup: ['browser.setup.ts'],
    // One after the other in one process: the files share a stack, a browser, and two cores.
    fileParallelism: false,
    isolate: false,
    retry: 0,
    ...PATIENT,
  },
});
