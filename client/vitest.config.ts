import { PATIENT } from '@agent-ticket/shared/test/patience.ts';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: { ...PATIENT, name: 'client', environment: 'node', include: ['src/**/*.test.ts'] },
});
