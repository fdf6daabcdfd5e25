import { type ToolApprovalStatus, tool } from 'ai';
import * as z from 'zod';
import cities from './cities.json' with { type: 'json' };
import type { Confirmations, ConfirmedCall, ConfirmedTool } from './confirmations.ts';

interface City {
  readonly name: string;
  /** IANA time zone; daylight saving comes with it. */
  readonly zone: string;
  /** Degrees north, rounded: what the sample weather depends on. */
  readonly latitude: number;
}

export const CITIES: readonly City[] = cities;

/** Normalizes a spelling: lower case, no accents, single spaces. */
const plain = (text: string): string =>
  text
    .normalize('NFD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .replace(/[^a-z]+/g, ' ')
    .trim();

export const findCity = (name: string): City | undefined =>
  CITIES.find((each) => plain(each.name) === plain(name));

/** The known cities that a sentence names, in the order of the table. */
export const citiesIn = (sentence: string): City[] =>
  CITIES.filter(({ name }) => ` ${plain(sentence)} `.includes(` ${plain(name)} `));

const part = (
  city: City,
  now: number,
  options: Intl.DateTimeFormatOptions,
  type?: Intl.DateTimeFormatPartTypes,
) => {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: city.zone, ...options });
  return type === undefined
    ? format.format(now)
    : (format.formatToParts(now).find((each) => each.type === type)?.value ?? '');
};

/** The local time of a city; `now` in ms. */
export const timeIn = (city: City, now: number) => ({
  city: city.name,
  time: part(city, now, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
  date: part(city, now, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }),
  time_zone: city.zone,
  utc_offset: part(city, now, { timeZoneName: 'longOffset' }, 'timeZoneName').replace(/^GMT$/, 'GMT+00:00'),
});

const SKIES = ['clear', 'mostly clear', 'cloudy', 'light rain', 'rain', 'windy'] as const;
const DAY_MS = 24 * 3600_000;
/** Day of the year when the north is warmest. */
const WARMEST_DAY = 200;

/** FNV-1a, for a number that looks random and is the same each time. */
const mix = (text: string): number =>
  [...text].reduce(
    (hash, letter) => Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 16_777_619) >>> 0,
    2_166_136_261,
  );

/**
 * Invented weather: latitude and season, with some variation. The same for a city and a day on every machine, so that
 * the example works without a network. The result states that it is no forecast.
 */
export function sampleWeather(city: City, now: number) {
  const day = Math.floor(now / DAY_MS);
  const season = Math.cos(((day % 365) - WARMEST_DAY) * ((2 * Math.PI) / 365));
  const steepness = Math.abs(city.latitude);
  const mean = 28 - steepness * 0.4 + season * Math.sign(city.latitude) * steepness * 0.22;
  const variation = mix(`${city.name} ${day}`);
  return {
    city: city.name,
    temperature_c: Math.round(mean + (variation % 7) - 3),
    sky: SKIES[(variation >>> 8) % SKIES.length] ?? SKIES[0],
    source: 'sample data, not a forecast',
  };
}

/** Short notes of a person: the state that the confirmed tool changes. */
export function createNotes(sql: SqlStorage) {
  sql.exec(`CREATE TABLE IF NOT EXISTS chat_notes (
    id INTEGER PRIMARY KEY,
    text TEXT NOT NULL,
    kept_at INTEGER NOT NULL
  ) STRICT`);
  return {
    /** `now` in ms. */
    add(text: string, now: number): void {
      sql.exec('INSERT INTO chat_notes (text, kept_at) VALUES (?, ?)', text, now);
    },
    /** The newest first, as many as a chat can show. */
    list: (): string[] =>
      sql
        .exec<{ text: string }>('SELECT text FROM chat_notes ORDER BY id DESC LIMIT 20')
        .toArray()
        .map(({ text }) => text),
  };
}
type Notes = ReturnType<typeof createNotes>;

interface ToolPorts {
  readonly confirmations: Confirmations;
  readonly notes: Notes;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** A call that needs a confirmation was about to run without one. */
  readonly onUnconfirmed: (call: ConfirmedCall) => void;
}

const NOTE_MAX_CHARACTERS = 500;

const InCity = z.strictObject({ city: z.string().min(1).max(80).describe('Name of the city, in English') });
const Note = z.strictObject({ text: z.string().min(1).max(NOTE_MAX_CHARACTERS) });

const withCity = <T>(name: string, answer: (city: City) => T): T | { error: string; known: string[] } => {
  const city = findCity(name);
  return city === undefined
    ? { error: 'unknown city', known: CITIES.map((each) => each.name) }
    : answer(city);
};

const callOf = (name: ConfirmedTool, callId: string, input: object): ConfirmedCall => ({
  callId,
  tool: name,
  input: JSON.stringify(input),
});

/** The chat's tools, over the state of one instance. */
export const chatTools = ({ confirmations, notes, clock, onUnconfirmed }: ToolPorts) => ({
  get_time: tool({
    description: 'The local time and date in a city.',
    inputSchema: InCity,
    execute: ({ city }) => withCity(city, (found) => timeIn(found, clock())),
  }),
  get_weather: tool({
    description: 'Sample weather for a city. Made up; say so.',
    inputSchema: InCity,
    execute: ({ city }) => withCity(city, (found) => sampleWeather(found, clock())),
  }),
  list_notes: tool({
    description: 'The notes that the person had you keep.',
    inputSchema: z.strictObject({}),
    execute: () => ({ notes: notes.list() }),
  }),
  save_note: tool({
    description: 'Keeps a note for good. The person is asked first.',
    inputSchema: Note,
    // The transcript does not count: without an approval of exactly this call in the object's record, nothing happens.
    execute: (input, { toolCallId }) => {
      const call = callOf('save_note', toolCallId, input);
      if (!confirmations.consume(call, clock())) {
        onUnconfirmed(call);
        throw new Error('not confirmed');
      }
      notes.add(input.text, clock());
      return { kept: input.text };
    },
  }),
});

interface ApprovalPorts extends Pick<ToolPorts, 'confirmations' | 'clock'> {
  /** Whether the person who asks may have a note kept. */
  readonly mayKeep: () => boolean;
}

/** Records each question before the person sees it. Refuses a call whose id was used before, and a person without the right. */
export const toolApproval = ({ confirmations, clock, mayKeep }: ApprovalPorts) => ({
  save_note: (input: z.infer<typeof Note>, { toolCallId }: { toolCallId: string }): ToolApprovalStatus => {
    if (!mayKeep()) return 'not-applicable';
    return confirmations.ask(callOf('save_note', toolCallId, input), clock())
      ? 'user-approval'
      : { type: 'denied', reason: 'this call was made before' };
  },
});
