/**
 * Public test vectors are read where they are and never copied. They are in the directory that the environment
 * names, or in `shared/vectors` beside this project or above it; where they are not, their tests are skipped.
 *
 * @param named the environment's `TEST_VECTORS`
 * @param source address of the calling file
 * @returns the directory's address, ending in a slash
 */
export function findVectors(
  named: string | undefined,
  source: string,
  exists: (file: URL) => boolean,
): URL | undefined {
  if (named !== undefined) return new URL(`file://${named}/`);
  let above = new URL('../../../', source);
  for (;;) {
    const candidate = new URL('shared/vectors/', above);
    if (exists(new URL('SOURCES.md', candidate))) return candidate;
    const next = new URL('../', above);
    if (next.href === above.href) return undefined;
    above = next;
  }
}
