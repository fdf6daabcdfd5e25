import { expect, test } from 'vitest';
import { helpFor, intentsOf } from './intents.ts';

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
