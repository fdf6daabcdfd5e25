import * as z from 'zod';

/** What an agent's object could not deliver to the record database. It names no instance and no principal. */
export const BacklogReport = z.strictObject({
  /** Id of the Durable Object. */
  object: z.string().regex(/^[0-9a-f]{64}$/),
  /** How many facts wait there; 0: none any more. */
  waiting: z.int().nonnegative(),
  /** When the oldest of them came to be, or now where none waits, in ms. */
  since: z.int().nonnegative(),
});
export type BacklogReport = z.infer<typeof BacklogReport>;
