import { PATIENT } from '@agent-ticket/shared/test/patience.ts';
import { defineConfig } from 'vitest/config';

const pages = {
  ...PATIENT,
  environment: 'node',
  globalSetup: ['browser.setup.ts'],
  // One after the other in one process: the files share a stack, a browser, and two cores.
  fileParallelism: false,
  retry: 0,
};

export default defineConfig({
  test: {
    projects: [
      {
        test: { ...pages, name: 'browser', include: ['**/*.test.{ts,tsx}'], exclude: ['**/*.long.test.ts'] },
      },
      // Of `npm run test:long`.
      { test: { ...pages, name: 'browser-long', include: ['**/*.long.test.ts'] } },
    ],
  },
});
