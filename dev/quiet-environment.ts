import { delimiter } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The top folder of the project. */
export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** Stops telemetry and update checks of turbo, wrangler, astro and redocly, and their logs in the home folder. */
const QUIET = {
  TURBO_TELEMETRY_DISABLED: '1',
  DO_NOT_TRACK: '1',
  WRANGLER_SEND_METRICS: 'false',
  WRANGLER_HIDE_BANNER: 'true',
  CLOUDFLARE_CF_FETCH_ENABLED: 'false',
  WRANGLER_LOG_PATH: '.wrangler/logs',
  ASTRO_TELEMETRY_DISABLED: '1',
  REDOCLY_TELEMETRY: 'off',
  REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true',
} as const;

/** Where Node keeps what it compiled: a start of the command line takes about half of the CPU time with it. */
const COMPILED = `${ROOT}node_modules/.cache/node`;

/** Variables of the user take precedence. The project's own tools are first on PATH, also without npm. */
export const quietEnvironment = (outer: NodeJS.ProcessEnv): NodeJS.ProcessEnv => ({
  ...QUIET,
  NODE_COMPILE_CACHE: COMPILED,
  ...outer,
  PATH: [`${ROOT}node_modules/.bin`, outer.PATH].filter(Boolean).join(delimiter),
});
