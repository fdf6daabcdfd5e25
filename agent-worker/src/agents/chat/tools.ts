import { type ToolApprovalStatus, tool } from 'ai';
import * as z from 'zod';
import { CITIES, type City, findCity } from './cities.ts';
import { sampleWeather, timeIn } from './city-facts.ts';
import type { AskedCall, Confirmations } from './confirmations.ts';
import type { Notes } from './notes.ts';

export interface ToolPorts {
  readonly confirmations: Confirmations;
  readonly notes: Notes;
  /** Milliseconds since 1970. */
  readonly clock: () => number;
  /** A call that must be confirmed came to run without. */
  readonly onUnconfirmed: (call: AskedCall) => void;
}

/** The tools that do nothing before a person has said yes. */
export const CONFIRMED_TOOLS = ['save_note'] as const;
type Confirmed = (typeof CONFIRMED_TOOLS)[number];
const NOTE_MAX_CHARACTERS = 500;

const InCity = z.strictObject({ city: z.string().min(1).max(80).describe('Name of the city, in English') });
const Note = z.strictObject({ text: z.string().min(1).max(NOTE_MAX_CHARACTERS) });

const inCity = <T>(name: string, tell: (city: City) => T): T | { error: string; known: string[] } => {
  const city = findCity(name);
  return city === undefined ? { error: 'unknown city', known: CITIES.map((each) => each.name) } : tell(city);
};

const callOf = (name: Confirmed, callId: string, input: object): AskedCall => ({
  callId,
  tool: name,
  input: JSON.stringify(input),
});

/** The chat's tools, over what one instance holds. */
export const chatTools = ({ confirmations, notes, clock, onUnconfirmed }: ToolPorts) => ({
  get_time: tool({
    description: 'The local time and date in a city.',
    inputSchema: InCity,
    execute: ({ city }) => inCity(city, (found) => timeIn(found, clock())),
  }),
  get_weather: tool({
    description: 'Sample weather for a city. Made up; say so.',
    inputSchema: InCity,
    execute: ({ city }) => inCity(city, (found) => sampleWeather(found, clock())),
  }),
  list_notes: tool({
    description: 'The notes that the person had you keep.',
    inputSchema: z.strictObject({}),
    execute: () => ({ notes: notes.list() }),
  }),
  save_note: tool({
    description: 'Keeps a note for good. The person is asked first.',
    inputSchema: Note,
    // Whatever the transcript says: without an approval of this very call in the object's record, nothing happens.
    execute: (input, { toolCallId }) => {
      const call = callOf('save_note', toolCallId, input);
      if (!confirmations.take(call, clock())) {
        onUnconfirmed(call);
        throw new Error('not confirmed');
      }
      notes.keep(input.text, clock());
      return { kept: input.text };
    },
  }),
});

/** Notes each question before the person gets to see it; refuses a call whose id was used before. */
export const askFirst = ({ confirmations, clock }: Pick<ToolPorts, 'confirmations' | 'clock'>) => ({
  save_note: (input: z.infer<typeof Note>, { toolCallId }: { toolCallId: string }): ToolApprovalStatus =>
    confirmations.ask(callOf('save_note', toolCallId, input), clock())
      ? 'user-approval'
      : { type: 'denied', reason: 'this call was made before' },
});
