import type { LanguageModel } from 'ai';

type Model = Extract<LanguageModel, { specificationVersion: 'v4' }>;
type Prompt = Parameters<Model['doStream']>[0]['prompt'];
type Part = Awaited<ReturnType<Model['doStream']>>['stream'] extends ReadableStream<infer P> ? P : never;
type Answer = { readonly text: string } | { readonly tool: string; readonly input: object };

const TOOLS: Readonly<Record<string, object>> = {
  roll: { sides: 6 },
  book: { room: 'blue' },
  remind: { seconds: 1, about: 'tea' },
};

/** Stands for a model: a word of the question decides, and the answer comes slowly. */
function answerTo(prompt: Prompt): Answer {
  const last = prompt.at(-1);
  if (last?.role === 'tool') {
    const results = last.content.flatMap((part) => (part.type === 'tool-result' ? [part.output] : []));
    return { text: `The tool says ${JSON.stringify(results)}.` };
  }
  if (last?.role !== 'user') return { text: 'What can I do?' };
  const files = last.content.filter(({ type }) => type === 'file');
  if (files.length > 0) return { text: `I see ${files.length} picture.` };
  const question = last.content.map((part) => (part.type === 'text' ? part.text : '')).join(' ');
  const tool = Object.keys(TOOLS).find((name) => question.includes(name));
  if (tool !== undefined) return { tool, input: TOOLS[tool] ?? {} };
  if (question.includes('count')) return { text: Array.from({ length: 30 }, (_, n) => `n${n}`).join(' ') };
  return { text: `You said: ${question}` };
}

const usage = {
  inputTokens: { total: undefined, noCache: undefined, cacheRead: undefined, cacheWrite: undefined },
  outputTokens: { total: undefined, text: undefined, reasoning: undefined },
} as const;

async function* partsOf(answer: Answer): AsyncGenerator<Part> {
  yield { type: 'stream-start', warnings: [] };
  const id = crypto.randomUUID();
  if ('tool' in answer) {
    yield { type: 'tool-call', toolCallId: id, toolName: answer.tool, input: JSON.stringify(answer.input) };
  } else {
    yield { type: 'text-start', id };
    for (const delta of answer.text.match(/\S+\s*/g) ?? []) {
      await scheduler.wait(40);
      yield { type: 'text-delta', id, delta };
    }
    yield { type: 'text-end', id };
  }
  const unified = 'tool' in answer ? 'tool-calls' : 'stop';
  yield { type: 'finish', usage, finishReason: { unified, raw: undefined } };
}

export const model: Model = {
  specificationVersion: 'v4',
  provider: 'offline',
  modelId: 'offline',
  supportedUrls: {},
  doGenerate: () => Promise.reject(new Error('only streams')),
  doStream: async ({ prompt }) => {
    const parts = partsOf(answerTo(prompt));
    const stream = new ReadableStream<Part>({
      async pull(controller) {
        const { done, value } = await parts.next();
        if (done) controller.close();
        else controller.enqueue(value);
      },
    });
    return { stream };
  },
};
