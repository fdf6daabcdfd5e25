import { PATIENT } from '@agent-ticket/shared/test/patience.ts';
import { PROPERTY_BINDINGS } from '@agent-ticket/shared/test/property-runs.ts';
import { cloudflareTest, readD1Migrations } from '@cloudflare/vitest-plugin';
import { defineConfig } from 'vitest/config';
import { readCorpus } from './test/corpus.ts';
import { esbuildDecorators } from './test/esbuild-decorators.ts';

const RECORD_MIGRATIONS = new URL('../drizzle/record/migrations', import.meta.url).pathname;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...PATIENT,
          name: 'agent-worker pure',
          environment: 'node',
          include: ['{src,demo}/**/*.test.ts'],
          setupFiles: ['../shared/test/without-eval.ts'],
        },
      },
      {
        plugins: [
          esbuildDecorators(/agent-worker\/(src|test)\/.*\.ts$/),
          cloudflareTest(async () => ({
            main: './test/worker.ts',
            remoteBindings: false,
            wrangler: { configPath: './wrangler.jsonc' },
            miniflare: {
              bindings: {
                ISSUER: 'http://127.0.0.1:8787',
                TICKET_AUDIENCE: 'agents.test',
                AGENT_WORKER_URL: 'https://agents.test',
                CALLBACK_KEY: 'Y2FsbGJhY2tzY2FsbGJhY2tzY2FsbGJhY2tzY2FsbGI',
                CALLBACK_KEY_PREVIOUS: 'cHJldmlvdXNwcmV2aW91c3ByZXZpb3VzcHJldmlvdXM',
                ALLOWED_ORIGINS: 'https://app.test, https://app.agents.test, http://app.agents.test',
                TEST_MIGRATIONS: await readD1Migrations(RECORD_MIGRATIONS),
                TEST_CORPUS: readCorpus(process.env),
                ...PROPERTY_BINDINGS,
              },
              // The broker of these tests lives beside them, so that each can say what it answers.
              serviceBindings: {
                BROKER: { name: 'agent-worker', entrypoint: 'Broker' },
                BACKLOG: { name: 'agent-worker', entrypoint: 'Backlog' },
              },
              analyticsEngineDatasets: { METRICS: { dataset: 'metrics' } },
              durableObjects: {
                WITNESS: { className: 'Witness', useSQLite: true },
                HOOKED: { className: 'Hooked', useSQLite: true },
                FAULTY: { className: 'Faulty', useSQLite: true },
                OVERRIDER: { className: 'Overrider', useSQLite: true },
                INNER: { className: 'Inner', useSQLite: true },
                USURPER: { className: 'Usurper', useSQLite: true },
                CHATTER: { className: 'Chatter', useSQLite: true },
                CHAT_OVERRIDER: { className: 'ChatOverrider', useSQLite: true },
                TOOLBOX: { className: 'Toolbox', useSQLite: true },
                PLANLESS: { className: 'Planless', useSQLite: true },
              },
              outboundService: (request: { url: string }) => {
                throw new Error(`a test reached out to ${new URL(request.url).origin}`);
              },
            },
          })),
        ],
        test: {
          name: 'agent-worker',
          include: ['test/**/*.test.ts'],
          setupFiles: ['./test/setup.ts'],
          // Tests in the one runtime keep apart by instance names.
          ...PATIENT,
        },
      },
    ],
  },
});
