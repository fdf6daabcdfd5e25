/** A name of a chat as the broker takes it. */
const NAME = /^[A-Za-z0-9_-]{1,128}$/;

/**
 * The chat that this page is about: the one in its address, `?chat=<name>`, or a new one, which goes into the address
 * so that a reload comes back to it. A new name is random: whoever guessed it could take it first.
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
