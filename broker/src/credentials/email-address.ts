import * as z from 'zod';

/** RFC 5321 §4.5.3.1: 64 octets before the `@`, 255 behind it. */
const MAX_CHARACTERS = 320;

/**
 * An address as an issuer gives it, of any script (RFC 6531). No credential is refused for an address: one that has not even
 * the shape of one, or is no text, counts as none.
 */
export const EmailAddress = z
  .string()
  .max(MAX_CHARACTERS)
  .regex(/^[^\s\p{C}@]+@[^\s\p{C}@]+$/u)
  .optional()
  .catch(undefined);

/**
 * The spelling in which addresses are compared: ASCII letters without case, everything else as it is. Unicode's own
 * folding makes ASCII letters of others (U+212A becomes `k`), and with them somebody else's address.
 */
export const foldAddress = (address: string): string =>
  address.replaceAll(/[A-Z]+/g, (letters) => letters.toLowerCase());
