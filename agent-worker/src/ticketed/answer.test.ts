import { DENIALS, type DenialReason } from '@agent-ticket/shared/denial.ts';
import { expect, test } from 'vitest';
import { denialAnswer, denialOf } from './answer.ts';

const isReason = (text: string): text is DenialReason => Object.hasOwn(DENIALS, text);

test('every refusal of an object is read back by the gate, and its answer has no body', async () => {
  for (const reason of Object.keys(DENIALS).filter(isReason)) {
    const answer = denialAnswer({ reason });
    expect(answer.status).toBe(403);
    expect(await answer.clone().text()).toBe('');
    expect(denialOf(answer)).toEqual({ reason });
  }
});

test.for(['', 'toString', '__proto__', 'nothing', 'agent_failed, agent_failed'])(
  'an answer that says "%s" is none',
  (said) => {
    expect(denialOf(new Response(null, { headers: { 'x-agent-ticket-denial': said } }))).toBeUndefined();
  },
);

test('an answer that says nothing is none', () => {
  expect(denialOf(new Response('fine'))).toBeUndefined();
});
