import { redact } from '@agent-ticket/shared/redact.ts';

/** Narrower than what {@link redact} takes out, as a method may well be called `keyJoin`. */
const PASTED = /atk_|^eyJ|eyJ[A-Za-z0-9_-]*\./;
/** Searched no further: callers choose the length, and the pattern costs its square. */
const SEARCHED_CHARACTERS = 1024;
const KEPT_CHARACTERS = 128;

/** A short text of a caller's as records keep it: people paste credentials into the strangest places. */
export const keptText = (text: string): string => {
  const start = text.slice(0, SEARCHED_CHARACTERS);
  return (PASTED.test(start) ? redact(start) : start).slice(0, KEPT_CHARACTERS);
};
