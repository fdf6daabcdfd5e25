/** Instance names that the broker accepts. */
const NAME = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * The instance of a page: the one in its address, in this parameter, or a new one, which is added to the address so that a
 * reload returns to it. A new name is random: a person who guessed it could claim the instance first.
 */
export function instanceName(
  parameter: string,
  { href }: Pick<Location, 'href'>,
  history: Pick<History, 'replaceState'>,
  randomId: () => string,
): string {
  const url = new URL(href);
  const given = url.searchParams.get(parameter);
  if (given !== null && NAME.test(given)) return given;
  const name = randomId();
  url.searchParams.set(parameter, name);
  history.replaceState(null, '', url);
  return name;
}
