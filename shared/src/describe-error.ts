/**
 * The loggable part of an error: its class, what a class of our own has made `loggable`, and stack frames. Never its message
 * or that of a cause: libraries quote their input in messages, and the input may be a credential.
 */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const { name, message, stack = '' } = error;
  // The stack begins with the message, which may have lines of its own that look like frames.
  const frames = stack
    .slice(stack.indexOf(message) + message.length)
    .split('\n')
    .map((line) => line.trim());
  const known = stack.includes(message) ? frames.filter((line) => line.startsWith('at ')).slice(0, 5) : [];
  const why = 'loggable' in error && typeof error.loggable === 'string' ? `: ${error.loggable}` : '';
  return [`${name}${why}`, ...known].join(' < ');
}
