import * as z from 'zod';

const Time = z.object({ city: z.string(), time: z.string(), date: z.string(), utc_offset: z.string() });
const Weather = z.object({
  city: z.string(),
  temperature_c: z.number(),
  sky: z.string(),
  source: z.string(),
});
const Notes = z.object({ notes: z.array(z.string()) });
const Kept = z.object({ kept: z.string() });

const say =
  <T>(schema: z.ZodType<T>, words: (value: T) => string) =>
  (value: unknown): string | undefined => {
    const read = schema.safeParse(value);
    return read.success ? words(read.data) : undefined;
  };

/** Tool → what the rule-based model says of its result; `undefined` for a result in another form, such as an error. */
const REPLIES: Readonly<Record<string, (value: unknown) => string | undefined>> = {
  get_time: say(
    Time,
    ({ city, time, date, utc_offset }) => `In ${city} it is ${time} on ${date} (${utc_offset}).`,
  ),
  get_weather: say(
    Weather,
    ({ city, temperature_c, sky, source }) => `${city}: ${temperature_c} °C, ${sky} (${source}).`,
  ),
  list_notes: say(Notes, ({ notes }) =>
    notes.length === 0 ? 'You have had me keep no notes.' : `Your notes: ${notes.join('; ')}.`,
  ),
  save_note: say(Kept, ({ kept }) => `Kept: “${kept}”.`),
};

export const replyTo = (tool: string, value: unknown): string =>
  (Object.hasOwn(REPLIES, tool) ? REPLIES[tool]?.(value) : undefined) ?? 'That did not work.';

export const REFUSED_REPLY = 'Then I leave it.';
