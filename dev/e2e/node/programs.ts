import { execFileSync } from 'node:child_process';

/**
 * Whether the machine has a program. Where it has none, warns that its tests are skipped; throws in CI, which installs
 * the package of Debian.
 */
export function hasProgram(name: string, debian: string, args: readonly string[] = ['-v']): boolean {
  try {
    execFileSync(name, args, { stdio: 'ignore' });
    return true;
  } catch (error) {
    const missing = `no ${name} on this machine: apt-get install ${debian}`;
    if (process.env.CI === 'true') throw new Error(missing, { cause: error });
    console.warn(`${missing}; its tests are skipped`);
    return false;
  }
}
