import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { appendFile, readFile, writeFile } from 'node:fs/promises';
import { type DevOptions, type Terminal, UsageError } from './command.ts';
import { appVars, callbackVars, WRITTEN } from './dev-files.ts';
import type { DevSecrets } from './open-secrets.ts';

/** The `.dev.vars` that `agent-ticket dev` writes, with what their authors have in them. */

const APP_VARS = '.dev.vars';

/** What follows is the author's. */
const WRITTEN_END = '# End of agent-ticket dev: lines below stay.';

/** The app's own settings: written where there are none, and left to its author where there are. */
export async function writeAppVars(
  { ports, origins }: DevOptions,
  secrets: DevSecrets,
  terminal: Terminal,
): Promise<void> {
  const present = existsSync(APP_VARS) ? await readFile(APP_VARS, 'utf8') : undefined;
  const { text, missing } = appVarsFile(present, appVars(ports, origins), callbackVars(ports.app, secrets));
  if (missing.length > 0)
    throw new UsageError(
      `${APP_VARS} needs the settings of this broker. Write there: ${missing.join(' and ')}`,
    );
  if (text === undefined) return;
  await writeFile(APP_VARS, text, { mode: 0o600 });
  if (await isIgnored(APP_VARS)) return;
  const ignored = existsSync('.gitignore') ? await readFile('.gitignore', 'utf8') : '';
  if (ignored.split(/\r?\n/).includes(`${APP_VARS}*`)) return;
  await appendFile('.gitignore', `${ignored === '' || ignored.endsWith('\n') ? '' : '\n'}${APP_VARS}*\n`);
  terminal.err(`${APP_VARS} has a key: .gitignore names it now.\n`);
}

/** Whether git would leave the file out. No where there is no git, or no repository yet. */
const isIgnored = (path: string): Promise<boolean> =>
  new Promise((found) => {
    execFile('git', ['check-ignore', '--quiet', path], (error) => found(error === null));
  });

/** Settings that somebody wrote stay as they are. */
export async function requireWritten(path: string): Promise<void> {
  if (existsSync(path) && !(await readFile(path, 'utf8')).startsWith(WRITTEN))
    throw new UsageError(`${path} is not of agent-ticket dev. Move it away: it would be replaced.`);
}

/**
 * The app's `.dev.vars` at a start: the settings of this broker, and the author's own lines after them. `text` left out:
 * there is no file. A file that `dev` did not begin is its author's and stays: `text` of the answer is undefined.
 * `missing` are the settings, as lines, that the file would lack, since the author has none or another one.
 */
export function appVarsFile(
  text: string | undefined,
  wanted: Readonly<Record<string, string>>,
  more: Readonly<Record<string, string>>,
): { readonly text: string | undefined; readonly missing: readonly string[] } {
  const lines = text?.split(/\r?\n/) ?? [];
  const isOurs = text === undefined || lines[0] === WRITTEN;
  const end = lines.indexOf(WRITTEN_END);
  const own = { ...wanted, ...more };
  // A file of an earlier version has no end: of that only the lines with these names are ours.
  const authors = !isOurs
    ? lines
    : end >= 0
      ? lines.slice(end + 1)
      : lines.slice(1).filter((line) => !EVER_WRITTEN.has(nameOf(line)));
  const inForce = { ...(isOurs && own), ...settingsIn(authors) };
  const missing = Object.entries(wanted)
    .filter(([name, value]) => !has(inForce[name], name, value))
    .map(([name, value]) => `${name}=${value}`);
  const block = Object.entries(own).map(([name, value]) => `${name}=${value}`);
  const rest = authors.join('\n').trim();
  return {
    text: isOurs
      ? [WRITTEN, ...block, WRITTEN_END, ...(rest === '' ? [] : [rest]), ''].join('\n')
      : undefined,
    missing,
  };
}

/** The last line with a name counts, as for wrangler. */
const settingsIn = (lines: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(
    lines
      .filter((line) => /^\s*\w+\s*=/.test(line))
      .map((line) => [
        nameOf(line),
        line
          .slice(line.indexOf('=') + 1)
          .trim()
          .replace(/^(["'])(.*)\1$/, '$2'),
      ]),
  );

const nameOf = (line: string): string => line.split('=')[0]?.trim() ?? '';
const EVER_WRITTEN = new Set(['ISSUER', 'TICKET_AUDIENCE', 'AGENT_WORKER_URL', 'CALLBACK_KEY']);

/** An author may allow more origins than are wanted. */
const has = (value: string | undefined, name: string, wanted: string): boolean =>
  name === 'ALLOWED_ORIGINS'
    ? wanted.split(',').every((each) => value?.split(',').some((one) => one.trim() === each) ?? false)
    : value === wanted;
