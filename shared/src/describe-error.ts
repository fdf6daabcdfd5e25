/** As systems and drivers write them: `ECONNREFUSED`, `SELF_SIGNED_CERT_IN_CHAIN`. No text of an input looks so. */
const CODE = /^[A-Z][A-Z0-9]*(_[A-Z0-9]+)*$/;
const MAX_CODE_LENGTH = 48;
/** A cause may be its own cause. */
const MAX_CAUSES = 5;

/** The code of an error or of the first of its causes that has one, such as `ECONNREFUSED`; undefined where none has. */
export function codeOf(error: unknown): string | undefined {
  let each = error;
  for (let depth = 0; depth < MAX_CAUSES && each instanceof Error; depth += 1) {
    if ('code' in each && typeof each.code === 'string' && each.code.length <= MAX_CODE_LENGTH)
      if (CODE.test(each.code)) return each.code;
    each = each.cause;
  }
  return undefined;
}

/**
 * The loggable part of an error: its class, its {@link codeOf}, what a class of our own has made `loggable`, and stack
 * frames. Never its message or that of a cause: libraries quote their input in messages, and the input may be a credential.
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
  const code = codeOf(error);
  const why = 'loggable' in error && typeof error.loggable === 'string' ? `: ${error.loggable}` : '';
  const what = `${code === undefined ? name : `${name} (${code})`}${why}`;
  return [what, ...known].join(' < ');
}
