import { join } from 'node:path';
import { PATIENT } from '@agent-ticket/shared/test/patience.ts';
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';

const migrationsOf = (database: 'control' | 'record') =>
  readD1Migrations(join(import.meta.dirname, database, 'migrations'));

/** One suite of query tests, run over both drivers; tests of one driver alone are in its own folder. */
export default defineConfig({
  test: {
    projects: [
      {
        plugins: [
          cloudflareTest(async () => ({
            main: './test/d1/worker.ts',
            remoteBindings: false,
            miniflare: {
              compatibilityDate: '2026-08-01',
              compatibilityFlags: ['nodejs_compat'],
              d1Databases: ['CONTROL', 'RECORD', 'TOGETHER'],
              durableObjects: { DESTINATION: { className: 'Destination', useSQLite: true } },
              bindings: {
                CONTROL_MIGRATIONS: await migrationsOf('control'),
                RECORD_MIGRATIONS: await migrationsOf('record'),
              },
              outboundService: (request: { url: string }) => {
                throw new Error(`a test reached out to ${new URL(request.url).origin}`);
              },
            },
          })),
        ],
        test: {
          name: 'drizzle-d1',
          include: ['test/d1/**/*.test.ts'],
          setupFiles: ['./test/d1/setup.ts'],
          // The setup empties the one runtime for each file; tests use new objects.
          ...PATIENT,
        },
      },
      {
        test: {
          ...PATIENT,
          name: 'drizzle-libsql',
          environment: 'node',
          include: ['test/libsql/**/*.test.ts'],
          exclude: ['**/*.long.test.ts'],
        },
      },
      // Of `npm run test:long`.
      {
        test: {
          ...PATIENT,
          name: 'drizzle-long',
          environment: 'node',
          include: ['test/libsql/**/*.long.test.ts'],
        },
      },
    ],
  },
});
