import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable'];
const USUAL_PLACES = [
  '/Applications/Chromium.app/Contents/MacOS/Chromium',
  '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
];

const HELP = `The browser tests need Chromium. Install it (Debian: apt-get install chromium; macOS: brew install chromium),
or set CHROMIUM_PATH to its path.`;

/**
 * The Chromium to test with: `CHROMIUM_PATH`, else the first of the usual names on `PATH`, else where macOS has it.
 * Throws an `Error` with the remedy; a wrong `CHROMIUM_PATH` is never ignored.
 */
export function findChromium(
  env: NodeJS.ProcessEnv,
  isProgram: (path: string) => boolean = isExecutable,
): string {
  const configured = env.CHROMIUM_PATH;
  if (configured) {
    if (isProgram(configured)) return configured;
    throw new Error(`CHROMIUM_PATH: no program at ${configured}\n${HELP}`);
  }
  const folders = (env.PATH ?? '').split(delimiter).filter(Boolean);
  const found = [
    ...NAMES.flatMap((name) => folders.map((folder) => join(folder, name))),
    ...USUAL_PLACES,
  ].find(isProgram);
  if (found === undefined) throw new Error(HELP);
  return found;
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
