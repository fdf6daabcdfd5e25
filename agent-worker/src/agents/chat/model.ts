import type { LanguageModel } from 'ai';
import { createWorkersAI } from 'workers-ai-provider';
import * as z from 'zod';
import { citiesIn } from './tools.ts';

/** Follows instructions and calls tools; the example needs no more. */
const WORKERS_AI_MODEL = '@cf/meta/llama-3.3-70b-instruct-fp8-fast';

/** Workers AI where the Worker has a binding `AI`, otherwise the rules. */
export const chooseModel = (ai: Ai | undefined, ports: RuleModelPorts): LanguageModel =>
  ai === undefined ? createRuleModel(ports) : createWorkersAI({ binding: ai })(WORKERS_AI_MODEL);

type Model = Extract<LanguageModel, { specificationVersion: 'v4' }>;
type Prompt = Parameters<Model['doStream']>[0]['prompt'];
type Part = Awaited<ReturnType<Model['doStream']>>['stream'] extends ReadableStream<infer P> ? P : never;
type Content = Awaited<ReturnType<Model['doGenerate']>>['content'];

interface RuleModelPorts {
  readonly randomId: () => string;
  /** Waits between words, so that the streaming is visible. */
  readonly pause: () => Promise<void>;
}

const UNKNOWN_USAGE = {
  inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: undefined, text: undefined, reasoning: undefined },
} as const;
const finish = (calls: boolean) => ({
  finishReason: { unified: calls ? 'tool-calls' : 'stop', raw: undefined } as const,
  usage: UNKNOWN_USAGE,
});

/**
 * A language model made of a few rules: it calls tools and streams as any other does, without a network and the same
 * each time. It understands little, and its answers say so.
 */
export function createRuleModel({ randomId, pause }: RuleModelPorts): Model {
  return {
    specificationVersion: 'v4',
    provider: 'rules',
    modelId: 'rules-1',
    supportedUrls: {},
    async doGenerate({ prompt }) {
      const content = contentFor(prompt, randomId);
      return { content, warnings: [], ...finish(content.some(({ type }) => type === 'tool-call')) };
    },
    async doStream({ prompt, abortSignal }) {
      const parts = streamParts(contentFor(prompt, randomId), randomId(), pause);
      const stream = new ReadableStream<Part>({
        async pull(controller) {
          const { done, value } =
            abortSignal?.aborted === true ? await parts.return(undefined) : await parts.next();
          if (done) controller.close();
          else controller.enqueue(value);
        },
      });
      return { stream };
    },
  };
}

/** After tool calls their results; otherwise the calls that the person's last message asks for, or help. */
function contentFor(prompt: Prompt, randomId: () => string): Content {
  const last = prompt.at(-1);
  if (last?.role === 'tool') {
    const words = last.content.flatMap((part) => {
      if (part.type !== 'tool-result') return [];
      const { output } = part;
      if (output.type === 'execution-denied' || isDenial(output)) return [REFUSED_REPLY];
      const [refusal] = /Not run: .*/.exec(output.type === 'error-text' ? output.value : '') ?? [];
      if (refusal !== undefined) return [refusal];
      return [replyTo(part.toolName, output.type === 'json' ? output.value : undefined)];
    });
    return [{ type: 'text', text: words.join(' ') }];
  }
  const sentence = sentenceOf(prompt);
  const intents = intentsOf(sentence);
  if (intents.length === 0) return [{ type: 'text', text: helpFor(sentence) }];
  return intents.map(({ tool, input }) => ({
    type: 'tool-call',
    toolCallId: randomId(),
    toolName: tool,
    input: JSON.stringify(input),
  }));
}

/** The form of a denial in a transcript. */
const isDenial = (output: { readonly type: string; readonly value?: unknown }): boolean =>
  output.type === 'error-text' && /denied/i.test(String(output.value));

function sentenceOf(prompt: Prompt): string {
  const message = prompt.findLast(({ role }) => role === 'user');
  if (message?.role !== 'user') return '';
  return message.content.map((part) => (part.type === 'text' ? part.text : '')).join(' ');
}

async function* streamParts(
  content: Content,
  id: string,
  pause: () => Promise<void>,
): AsyncGenerator<Part, undefined> {
  yield { type: 'stream-start', warnings: [] };
  for (const part of content) {
    if (part.type === 'tool-call') yield part;
    if (part.type !== 'text') continue;
    yield { type: 'text-start', id };
    for (const delta of part.text.match(/\S+\s*/g) ?? []) {
      await pause();
      yield { type: 'text-delta', id, delta };
    }
    yield { type: 'text-end', id };
  }
  yield { type: 'finish', ...finish(content.some(({ type }) => type === 'tool-call')) };
  return undefined;
}

/** A tool call that a sentence asks for. */
type Intent =
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

/** The answer to a sentence that matches no rule. */
export const helpFor = (sentence: string): string =>
  TIME.test(sentence) || WEATHER.test(sentence)
    ? 'I do not know that city. Try Berlin, Tokyo, Nairobi or New York.'
    : 'I follow a few simple rules and no language model. Ask me for the time in Tokyo or the weather in Lisbon, ' +
      'say “remember to water the plants”, or ask for your notes.';

const Time = z.object({ city: z.string(), time: z.string(), date: z.string(), utc_offset: z.string() });
const Weather = z.object({
  city: z.string(),
  temperature_c: z.number(),
  sky: z.string(),
  source: z.string(),
});
const Notes = z.object({ notes: z.array(z.string()) });
const Kept = z.object({ kept: z.string() });

const reply =
  <T>(schema: z.ZodType<T>, words: (value: T) => string) =>
  (value: unknown): string | undefined => {
    const read = schema.safeParse(value);
    return read.success ? words(read.data) : undefined;
  };

/** Tool → the answer for its result; `undefined` for a result in another form, such as an error. */
const REPLIES: Readonly<Record<string, (value: unknown) => string | undefined>> = {
  get_time: reply(
    Time,
    ({ city, time, date, utc_offset }) => `In ${city} it is ${time} on ${date} (${utc_offset}).`,
  ),
  get_weather: reply(
    Weather,
    ({ city, temperature_c, sky, source }) => `${city}: ${temperature_c} °C, ${sky} (${source}).`,
  ),
  list_notes: reply(Notes, ({ notes }) =>
    notes.length === 0 ? 'You have had me keep no notes.' : `Your notes: ${notes.join('; ')}.`,
  ),
  save_note: reply(Kept, ({ kept }) => `Kept: “${kept}”.`),
};

const replyTo = (tool: string, value: unknown): string =>
  (Object.hasOwn(REPLIES, tool) ? REPLIES[tool]?.(value) : undefined) ?? 'That did not work.';

const REFUSED_REPLY = 'Then I leave it.';
