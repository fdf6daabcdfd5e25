import { citiesIn } from './cities.ts';

/** What a sentence asks the rule-based model for. */
export type Intent =
  | { readonly tool: 'get_time' | 'get_weather'; readonly input: { readonly city: string } }
  | { readonly tool: 'save_note'; readonly input: { readonly text: string } }
  | { readonly tool: 'list_notes'; readonly input: Readonly<Record<string, never>> };

const NOTE =
  /^\s*(?:please\s+)?(?:remember|keep|note|write down)(?:\s+that)?\s*[:,]?\s+(?<text>\S.{0,499})/isu;
const NOTES = /\bnotes\b|what (?:did|do) (?:i|you) (?:note|keep|remember)/i;
const TIME = /\b(?:time|clock|late|hour)\b/i;
const WEATHER = /\b(?:weather|temperature|rain|rainy|sunny|warm|cold|forecast)\b/i;

/** Tool calls that a sentence asks for; empty when the rules find none. */
export function intentsOf(sentence: string): Intent[] {
  if (NOTES.test(sentence)) return [{ tool: 'list_notes', input: {} }];
  const text = NOTE.exec(sentence)?.groups?.text?.trim();
  if (text !== undefined) return [{ tool: 'save_note', input: { text } }];
  return citiesIn(sentence).flatMap(({ name }): Intent[] => [
    ...(TIME.test(sentence) ? [{ tool: 'get_time', input: { city: name } } as const] : []),
    ...(WEATHER.test(sentence) ? [{ tool: 'get_weather', input: { city: name } } as const] : []),
  ]);
}

/** What to say to a sentence that the rules make nothing of. */
export const helpFor = (sentence: string): string =>
  TIME.test(sentence) || WEATHER.test(sentence)
    ? 'I do not know that city. Try Berlin, Tokyo, Nairobi or New York.'
    : 'I follow a few simple rules and no language model. Ask me for the time in Tokyo or the weather in Lisbon, ' +
      'say “remember to water the plants”, or ask for your notes.';
