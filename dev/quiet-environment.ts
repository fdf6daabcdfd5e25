import { delimiter } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The top folder of the project. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Keeps turbo and wrangler from calling home, asking for news and writing logs into the home folder. */
const QUIET = {
  TURBO_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_LOG_PATH: '.wrangler/logs',
} as const;

/** What a person has set on purpose wins. The project's own tools come first on PATH, also without npm around it. */
export const quietEnvironment = (outer: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...QUIET,
  ...outer,
  PATH: [`${ROOT}node_modules/.bin`, outer.PATH].filter(Boolean).join(delimiter),
});
