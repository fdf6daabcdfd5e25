import * as z from 'zod';

const City = z.object({ city: z.string() });
const Note = z.object({ text: z.string() });

const cityIn = (input: unknown): string => City.safeParse(input).data?.city ?? 'a city';
export const noteIn = (input: unknown): string => Note.safeParse(input).data?.text ?? '';

/** How a note stands, by the state of its call. */
const NOTE_STATES: Readonly<Record<string, string>> = {
  'approval-requested': 'Not kept: the question is no longer open.',
  'approval-responded': 'Answered…',
  'output-available': 'Kept the note.',
  'output-denied': 'Did not keep the note.',
  'output-error': 'Could not keep the note.',
};

/** Tool → what a person is told of a call of it. */
const STEPS: Readonly<Record<string, (state: string, input: unknown) => string>> = {
  get_time: (_, input) => `Looked up the time in ${cityIn(input)}.`,
  get_weather: (_, input) => `Looked up sample weather for ${cityIn(input)}.`,
  list_notes: () => 'Looked through your notes.',
  save_note: (state) =>
    (Object.hasOwn(NOTE_STATES, state) ? NOTE_STATES[state] : undefined) ?? 'About a note…',
};

export const stepText = (tool: string, state: string, input: unknown): string =>
  (Object.hasOwn(STEPS, tool) ? STEPS[tool]?.(state, input) : undefined) ?? `Used ${tool}.`;
