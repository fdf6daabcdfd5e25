import { PATIENT } from '@agent-ticket/shared/test/patience.ts';
import { PROPERTY_BINDINGS } from '@agent-ticket/shared/test/property-runs.ts';
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';
import { SETTINGS } from './test/settings.ts';
import { readVectors } from './test/vectors.ts';

const migrationsOf = (database: 'control' | 'record') =>
  readD1Migrations(new URL(`../drizzle/${database}/migrations`, import.meta.url).pathname);

export default defineConfig({
  test: {
    projects: [
      // Whole brokers on libSQL files, each with its own settings and fake services.
      {
        test: {
          name: 'broker-node',
          environment: 'node',
          include: ['test/node/**/*.test.ts'],
          exclude: ['**/*.long.test.ts'],
          ...PATIENT,
          isolate: true,
        },
      },
      // Of `npm run test:long`.
      {
        test: {
          name: 'broker-long',
          environment: 'node',
          include: ['test/node/**/*.long.test.ts'],
          ...PATIENT,
          isolate: true,
        },
      },
      {
        test: {
          ...PATIENT,
          name: 'broker-pure',
          environment: 'node',
          include: ['{src,console}/**/*.test.ts'],
        },
      },
      {
        plugins: [
          cloudflareTest(async () => ({
            main: './test/worker.ts',
            remoteBindings: false,
            wrangler: { configPath: './wrangler.jsonc' },
            miniflare: {
              r2Buckets: ['AUDIT_ANCHOR', 'AUDIT_ARCHIVE'],
              bindings: {
                ...SETTINGS,
                TEST_CONTROL_MIGRATIONS: await migrationsOf('control'),
                TEST_RECORD_MIGRATIONS: await migrationsOf('record'),
                TEST_VECTORS: readVectors(process.env),
                ...PROPERTY_BINDINGS,
              },
              outboundService: (request: { url: string }) => {
                throw new Error(`a test reached out to ${new URL(request.url).origin}`);
              },
            },
          })),
        ],
        test: {
          name: 'broker',
          include: ['test/**/*.test.ts'],
          exclude: ['test/node/**'],
          // The setup empties databases and objects of the one runtime.
          setupFiles: ['./test/setup.ts'],
          ...PATIENT,
        },
      },
    ],
  },
});
