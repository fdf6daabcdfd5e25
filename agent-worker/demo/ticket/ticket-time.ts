/** How long a ticket has to live, in words. `nowSeconds`, `iat` and `exp` in seconds since 1970. */

export interface TicketTime {
  readonly text: string;
  /** 1 when it was minted, 0 when it is over. */
  readonly left: number;
  readonly over: boolean;
}

export function timeOf({ iat, exp }: { iat: number; exp: number }, nowSeconds: number): TicketTime {
  const seconds = Math.max(0, Math.ceil(exp - nowSeconds));
  if (seconds === 0) return { text: 'Expired', left: 0, over: true };
  const left = Math.min(1, (exp - nowSeconds) / (exp - iat));
  return { text: `Expires in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}`, left, over: false };
}

/** Moments worth saying aloud, in seconds before the end: a voice that counted each second would never end. */
const SAID = [30, 10, 0];

/** The moment that lies between two looks at the clock, if one does. */
export const momentBetween = (exp: number, before: number, nowSeconds: number): number | undefined =>
  SAID.find((moment) => exp - before > moment && exp - nowSeconds <= moment);
