/** Instance names that the broker accepts. */
const NAME = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * The chat of this page: the one in its address, `?chat=<name>`, or a new one, which is added to the address so that a
 * reload returns to it. A new name is random: a person who guessed it could claim the chat first.
 */
export function chatName(
  { href }: Pick<Location, 'href'>,
  history: Pick<History, 'replaceState'>,
  randomId: () => string,
): string {
  const url = new URL(href);
  const given = url.searchParams.get('chat');
  if (given !== null && NAME.test(given)) return given;
  const name = randomId();
  url.searchParams.set('chat', name);
  history.replaceState(null, '', url);
  return name;
}
