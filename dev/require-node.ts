/**
 * Import this first in every entry script. Node runs `.ts` files without a flag from 22.18 on. An older Node with the
 * flag gets to this line, and should exit with the reason here instead of failing later. A Node that cannot run `.ts` at
 * all stops earlier with ERR_UNKNOWN_FILE_EXTENSION; CONTRIBUTING.md has the remedy.
 */
const LEAST = { major: 22, minor: 18 };

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < LEAST.major || (major === LEAST.major && minor < LEAST.minor)) {
  const wanted = `${LEAST.major}.${LEAST.minor}`;
  process.stderr.write(`This needs Node ${wanted} or newer and runs on ${process.versions.node}.\n`);
  process.exit(1);
}
