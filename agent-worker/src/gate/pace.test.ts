import { expect, test } from 'vitest';
import { paceLog, paceMeasure } from './pace.ts';

type Line = Readonly<Record<string, unknown>>;

function open() {
  const lines: Line[] = [];
  const time = { ms: 1_000_000 };
  return {
    lines,
    time,
    log: paceLog(
      (line) => lines.push(line),
      () => time.ms,
    ),
  };
}
const success = (n: number): Line => ({
  event: 'auth_success',
  agent: n % 2 === 0 ? 'counter' : 'chat',
  principal: `auth0:t:${n}`,
  auth_method: 'ticket',
});

test('lines of requests above twenty a second are counted, and reported with the first of a later second', () => {
  const { lines, time, log } = open();
  for (let n = 0; n < 1020; n += 1) log(success(n));
  expect(lines).toEqual(Array.from({ length: 20 }, (_, n) => success(n)));
  time.ms += 1_000;
  log(success(0));
  expect(lines.slice(20)).toEqual([
    { event: 'auth_success', agent: 'counter', reason: undefined, auth_method: 'ticket', count: 500 },
    { event: 'auth_success', agent: 'chat', reason: undefined, auth_method: 'ticket', count: 500 },
    success(0),
  ]);
});

test('each event has its own bound, and each reason its own number', () => {
  const { lines, time, log } = open();
  for (let n = 0; n < 30; n += 1) log({ event: 'auth_failure', reason: n < 25 ? 'ticket_used' : 'locked' });
  log(success(0));
  time.ms += 1_000;
  log({ event: 'gate_refused', reason: 'agent_unknown' });
  expect(lines.slice(20)).toMatchObject([
    success(0),
    { event: 'auth_failure', reason: 'ticket_used', count: 5 },
    { event: 'auth_failure', reason: 'locked', count: 5 },
    { event: 'gate_refused' },
  ]);
});

test('a bug or an outage is never counted away', () => {
  const { lines, log } = open();
  for (let n = 0; n < 50; n += 1) log({ event: 'bug' });
  expect(lines).toHaveLength(50);
});

test('a flood of requests is twenty points a second, and no request is lost', () => {
  const points: [string, object, number][] = [];
  const time = { ms: 1_000_000 };
  const measure = paceMeasure(
    (name, labels = {}, value = 1) => points.push([name, labels, value]),
    () => time.ms,
  );
  for (let n = 0; n < 1020; n += 1)
    measure('upgrades_total', { outcome: 'denied', code: n % 2 === 0 ? 'ticket_missing' : 'ticket_used' });
  expect(points).toHaveLength(20);
  time.ms += 1_000;
  measure('upgrades_total', { outcome: 'admitted' });
  expect(points.slice(20)).toEqual([
    ['upgrades_total', { outcome: 'denied', code: 'ticket_missing' }, 500],
    ['upgrades_total', { outcome: 'denied', code: 'ticket_used' }, 500],
    ['upgrades_total', { outcome: 'admitted' }, 1],
  ]);
});
