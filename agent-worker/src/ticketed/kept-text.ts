import { redact } from '@agent-ticket/shared/redact.ts';

/** Narrower than what {@link redact} takes out, as a method may well be called `keyJoin`. */
const PASTED = /atk_|^eyJ|eyJ[A-Za-z0-9_-]*\./;
const MAX_CHARACTERS = 128;

/** A short text of a caller's as records keep it: people paste credentials into the strangest places. */
export const keptText = (text: string): string =>
  (PASTED.test(text) ? redact(text) : text).slice(0, MAX_CHARACTERS);
