import { PATIENT } from '@agent-ticket/shared/test/patience.ts';
import { defineConfig } from 'vitest/config';

const stack = {
  ...PATIENT,
  environment: 'node',
  globalSetup: ['e2e/stack.setup.ts'],
  // One after the other in one process: the files share a stack, and two cores.
  fileParallelism: false,
  // Of the tests that say so: they wait for servers that say no more.
  maxConcurrency: 24,
  // Not at once with projects that may have more workers.
  sequence: { groupOrder: 1 },
};

/** The tests that one worker of the former version passes with the other worker of this one. */
const MIXED = [
  'closing',
  'connect',
  'deletion',
  'lobby',
  'locks',
  'race',
  'reconnect',
  'record',
  'refusals',
  'revocations',
  'rotation',
  'sign-outs',
].map((name) => `e2e/${name}.test.ts`);

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          name: 'dev',
          environment: 'node',
          include: ['**/*.test.ts'],
          exclude: ['e2e/**', 'browser/**', '**/node_modules/**', '**/*.long.test.ts'],
          // It imports JSON without the attribute that Node needs.
          server: { deps: { inline: ['@actions/workflow-parser', '@actions/expressions'] } },
          ...PATIENT,
          isolate: true,
        },
      },
      { test: { ...stack, name: 'e2e', include: ['e2e/**/*.test.ts'], exclude: ['**/*.long.test.ts'] } },
      // Of `npm run test:long`.
      {
        test: {
          ...PATIENT,
          isolate: true,
          name: 'simulation-long',
          environment: 'node',
          include: ['simulation/*.long.test.ts', 'simulation/simulation.test.ts'],
        },
      },
      { test: { ...stack, name: 'e2e-long', include: ['e2e/**/*.long.test.ts'] } },
      ...['broker', 'agent-worker'].map((worker) => ({
        test: {
          ...stack,
          name: `former-${worker}`,
          globalSetup: [`e2e/former/${worker}.setup.ts`],
          include: MIXED,
        },
      })),
      {
        test: {
          ...stack,
          name: 'oldest-sdk',
          include: ['e2e/starters/*.test.ts'],
          env: { AGENTS_SDK: 'oldest' },
        },
      },
    ],
  },
});
