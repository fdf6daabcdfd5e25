/** Our own service token secrets, tokens of callbacks, and anything that looks like a JWT: a canonical header begins with `eyJ`. */
const CREDENTIAL = /atk_[0-9A-Za-z_]+|acb_[0-9A-Za-z_.-]+|eyJ[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]*)*/g;

/** The longest text of a caller's that is kept, in characters. */
const MAX_LENGTH = 256;

/**
 * Removes everything that looks like a credential from a caller's text that must be stored. It removes too much rather
 * than too little. For input that can be refused instead, the broker has `containsCredential`, which distinguishes a
 * credential from a text that only looks like one.
 *
 * The result is well-formed even where the cut splits a surrogate pair: an event with a lone surrogate could never be
 * sealed.
 */
export const redact = (text: string): string =>
  text
    .slice(0, 4 * MAX_LENGTH)
    .replaceAll(CREDENTIAL, '[redacted]')
    .slice(0, MAX_LENGTH)
    .toWellFormed();
