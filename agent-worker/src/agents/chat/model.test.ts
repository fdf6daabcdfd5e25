import { convertToModelMessages, generateText, streamText } from 'ai';
import { expect, test } from 'vitest';
import { chooseModel, createRuleModel, helpFor, intentsOf } from './model.ts';

let ids = 0;
const ports = {
  randomId: () => {
    ids += 1;
    return `id-${ids}`;
  },
  pause: async () => {},
};
const model = createRuleModel(ports);

test('the AI SDK accepts it as a language model, whole or word by word', async () => {
  const { text } = await generateText({ model, prompt: 'hello' });
  const words: string[] = [];
  for await (const word of streamText({ model, prompt: 'hello' }).textStream) words.push(word);
  expect(text).toMatch(/^I follow a few simple rules/);
  expect(words.join('')).toBe(text);
  expect(words.length).toBeGreaterThan(10);
});

test('it calls tools, each call with an id of its own', async () => {
  const { toolCalls, finishReason } = await generateText({ model, prompt: 'time and weather in Rome' });
  expect(finishReason).toBe('tool-calls');
  expect(toolCalls.map(({ toolName }) => toolName)).toEqual(['get_time', 'get_weather']);
  expect(new Set(toolCalls.map(({ toolCallId }) => toolCallId)).size).toBe(2);
});

test.for([
  ['output-available', { output: { kept: 'x' } }, 'Kept: “x”.'],
  ['output-available', { output: { unknown: true } }, 'That did not work.'],
  ['output-error', { errorText: 'not confirmed' }, 'That did not work.'],
  ['output-denied', { approval: { id: 'a', approved: false } }, 'Then I leave it.'],
] as const)('of a note that is %s with %j the answer is “%s”', async ([state, rest, words]) => {
  const part = { type: 'tool-save_note', toolCallId: 'c', input: { text: 'x' }, state, ...rest };
  const messages = await convertToModelMessages([
    { role: 'user', parts: [{ type: 'text', text: 'remember x' }] },
    JSON.parse(JSON.stringify({ role: 'assistant', parts: [part] })),
  ]);
  expect((await generateText({ model, messages })).text).toBe(words);
});

test('an aborted request ends the stream', async () => {
  const given = new AbortController();
  const { stream } = await model.doStream({
    prompt: [{ role: 'user', content: [{ type: 'text', text: 'hello' }] }],
    abortSignal: given.signal,
  });
  const reader = stream.getReader();
  await reader.read();
  given.abort();
  let left = 0;
  while (!(await reader.read()).done) left += 1;
  expect(left).toBeLessThan(3);
});

test('Workers AI answers where it is bound', () => {
  const bound = chooseModel({} as Ai, ports);
  expect(typeof bound === 'string' ? bound : bound.provider).toMatch(/workers-?ai/i);
  expect(chooseModel(undefined, ports)).toMatchObject({ provider: 'rules' });
});

const time = (city: string) => ({ tool: 'get_time', input: { city } });
const weather = (city: string) => ({ tool: 'get_weather', input: { city } });
const note = (text: string) => ({ tool: 'save_note', input: { text } });

test.for([
  ['What time is it in Tokyo?', [time('Tokyo')]],
  ['weather in são paulo', [weather('Sao Paulo')]],
  ['Is it warm in Lima, and how late is it?', [time('Lima'), weather('Lima')]],
  ['the time in Oslo and Rome', [time('Oslo'), time('Rome')]],
  ['the time in NEW   YORK', [time('New York')]],
  ['the time in Romeoville', []],
  ['Tokyo', []],
  ['remember that the bins go out', [note('the bins go out')]],
  ['Please note: call Bob about the weather in Rome', [note('call Bob about the weather in Rome')]],
  ['remember', []],
  ['what are my notes?', [{ tool: 'list_notes', input: {} }]],
  ['What did I note?', [{ tool: 'list_notes', input: {} }]],
  ['', []],
] as const)('“%s” asks for %j', ([sentence, intents]) => {
  expect(intentsOf(sentence)).toEqual(intents);
});

test('a city that is not known is not taken for a question that is not understood', () => {
  expect(helpFor('the time in Atlantis')).toMatch(/do not know that city/);
  expect(helpFor('hello')).toMatch(/a few simple rules and no language model/);
});
