import type { LanguageModel } from 'ai';
import { helpFor, intentsOf } from './intents.ts';
import { REFUSED_REPLY, replyTo } from './replies.ts';

type Model = Extract<LanguageModel, { specificationVersion: 'v4' }>;
type Prompt = Parameters<Model['doStream']>[0]['prompt'];
type Part = Awaited<ReturnType<Model['doStream']>>['stream'] extends ReadableStream<infer P> ? P : never;
type Content = Awaited<ReturnType<Model['doGenerate']>>['content'];

export interface RuleModelPorts {
  readonly randomId: () => string;
  /** Waits between words, so that an answer is seen to come. */
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
 * A language model that is a handful of rules: it calls tools and streams as any other does, without a network and
 * the same each time. It understands little and says so.
 */
export function createRuleModel({ randomId, pause }: RuleModelPorts): Model {
  const think = (prompt: Prompt): Content => contentFor(prompt, randomId);
  return {
    specificationVersion: 'v4',
    provider: 'rules',
    modelId: 'rules-1',
    supportedUrls: {},
    async doGenerate({ prompt }) {
      const content = think(prompt);
      return { content, warnings: [], ...finish(content.some(({ type }) => type === 'tool-call')) };
    },
    async doStream({ prompt, abortSignal }) {
      const parts = spoken(think(prompt), randomId(), pause);
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

/** After tools have run, what they say; else the tools that the person's last words ask for, or help. */
function contentFor(prompt: Prompt, randomId: () => string): Content {
  const last = prompt.at(-1);
  if (last?.role === 'tool') {
    const words = last.content.flatMap((part) => {
      if (part.type !== 'tool-result') return [];
      const { output } = part;
      if (output.type === 'execution-denied' || isDenial(output)) return [REFUSED_REPLY];
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

/** The form that a denial has once it is part of the transcript. */
const isDenial = (output: { readonly type: string; readonly value?: unknown }): boolean =>
  output.type === 'error-text' && /denied/i.test(String(output.value));

function sentenceOf(prompt: Prompt): string {
  const message = prompt.findLast(({ role }) => role === 'user');
  if (message?.role !== 'user') return '';
  return message.content.map((part) => (part.type === 'text' ? part.text : '')).join(' ');
}

async function* spoken(
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
