import { defineConfig } from 'vitest/config';
import { PATIENT } from './test/patience.ts';

export default defineConfig({
  test: {
    ...PATIENT,
    name: 'shared',
    environment: 'node',
    include: ['src/**/*.test.ts'],
    setupFiles: ['./test/without-eval.ts', './test/without-fetch.ts'],
  },
});
