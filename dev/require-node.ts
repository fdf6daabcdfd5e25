/**
 * Import this first in every entry script. Node runs `.ts` files without a flag from 22.18 on; with the flag older
 * ones get as far as this line, and should say what is wrong instead of failing somewhere in the middle. A Node that
 * cannot read `.ts` at all stops before it with ERR_UNKNOWN_FILE_EXTENSION; CONTRIBUTING.md says what to do then.
 */
const LEAST = { major: 22, minor: 18 };

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);

if (major < LEAST.major || (major === LEAST.major && minor < LEAST.minor)) {
  const wanted = `${LEAST.major}.${LEAST.minor}`;
  process.stderr.write(`This needs Node ${wanted} or newer and runs on ${process.versions.node}.\n`);
  process.exit(1);
}
