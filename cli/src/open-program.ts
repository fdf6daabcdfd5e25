import { execFile, spawn } from 'node:child_process';
import { promisify } from 'node:util';
import { UsageError } from './command.ts';
import { hasCode } from './error-code.ts';

/** The opener of the desktop by platform. None of them is a shell. */
const OPENERS: Readonly<Record<string, readonly [program: string, ...words: string[]]>> = {
  darwin: ['open'],
  win32: ['rundll32', 'url.dll,FileProtocolHandler'],
};

/** See `Terminal.openBrowser`. */
export function openBrowser(url: string): void {
  const [program, ...words] = OPENERS[process.platform] ?? ['xdg-open'];
  const opener = spawn(program, [...words, url], { stdio: 'ignore', detached: true });
  // Machines without a desktop have none: the address is on the terminal, too.
  opener.on('error', (error) => {
    if (!hasCode(error, 'ENOENT')) throw error;
  });
  opener.unref();
}

/** See `Terminal.runCloudflared`. Its messages go to the error output. */
export async function runCloudflared(words: readonly string[]): Promise<string> {
  try {
    const ran = promisify(execFile)('cloudflared', [...words]);
    ran.child.stderr?.pipe(process.stderr);
    return (await ran).stdout;
  } catch (error) {
    if (hasCode(error, 'ENOENT'))
      throw new UsageError(
        'Signing in through Cloudflare Access needs cloudflared, which is not installed. Install it from developers.cloudflare.com, then repeat the command.',
      );
    if (!(error instanceof Error && 'code' in error && typeof error.code === 'number')) throw error;
    throw new UsageError(
      `cloudflared ended with ${error.code}. Follow what it says above, or sign in again: agent-ticket login --access`,
    );
  }
}
