interface VectorsEnv {
  readonly TEST_VECTORS?: string | undefined;
  readonly CI?: string | undefined;
}

/**
 * Public test vectors are read where they are and never copied. They are in the directory that the environment
 * names, or in `shared/vectors` beside this project or above it. Where they are not, their tests are skipped, and the run
 * says so; in CI that is an error, since a promise would go untested unnoticed.
 *
 * @param env the environment, of which `TEST_VECTORS` and `CI` count
 * @param source address of the calling file
 * @returns the directory's address, ending in a slash
 */
export function findVectors(
  env: VectorsEnv,
  source: string,
  exists: (file: URL) => boolean,
): URL | undefined {
  const found = lookFor(env, source, exists);
  if (found !== undefined) return found;
  if (env.CI === 'true') throw new Error('the test vectors are missing: TEST_VECTORS names their directory');
  console.warn(`no test vectors (TEST_VECTORS): the tests that need them are skipped in ${source}`);
  return undefined;
}

function lookFor(
  { TEST_VECTORS: named }: VectorsEnv,
  source: string,
  exists: (file: URL) => boolean,
): URL | undefined {
  const isThere = (folder: URL) => exists(new URL('SOURCES.md', folder));
  if (named !== undefined) {
    const folder = new URL(`file://${named}/`);
    return isThere(folder) ? folder : undefined;
  }
  let above = new URL('../../../', source);
  for (;;) {
    const candidate = new URL('shared/vectors/', above);
    if (isThere(candidate)) return candidate;
    const next = new URL('../', above);
    if (next.href === above.href) return undefined;
    above = next;
  }
}
