/** The `engines` of the packages that are programs. */
const LEAST_MAJOR = 22;
const LEAST_MINOR = 18;

/** Why a program does not run on this Node, whose version is as in `process.versions.node`; undefined where it does. */
export function nodeTooOld(version: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const isEnough = major > LEAST_MAJOR || (major === LEAST_MAJOR && minor >= LEAST_MINOR);
  return isEnough
    ? undefined
    : `Node ${version} is too old: use ${LEAST_MAJOR}.${LEAST_MINOR} or newer, 24 for example`;
}
