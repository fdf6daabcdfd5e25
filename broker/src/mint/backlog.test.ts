import type { BacklogReport } from '@agent-ticket/shared/backlog-report.ts';
import { describe, expect, it } from 'vitest';
import { createBacklogReports, sumWaiting } from './backlog.ts';

const NOW = Date.UTC(2027, 0, 15, 8);
const objectOf = (n: number): string => n.toString(16).padStart(64, '0');
const report = (n: number, waiting = 1, since = NOW - 1_000): BacklogReport => ({
  object: objectOf(n),
  waiting,
  since,
});
const NOTHING = { events: 0, agents: { objects: 0, events: 0 }, since: undefined };
const agents = (objects: number, events: number) => ({ agents: { objects, events } });

describe('reports of objects that cannot deliver', () => {
  it('are added up, each object by its newest', () => {
    const reports = createBacklogReports();
    expect(reports.waiting(NOW)).toEqual(NOTHING);
    for (const each of [report(1, 5, NOW - 3_000), report(2, 7, NOW - 9_000), report(1, 6, NOW - 2_000)])
      reports.receive(each, NOW);
    expect(reports.waiting(NOW)).toEqual({ ...NOTHING, ...agents(2, 13), since: NOW - 9_000 });
  });

  it('are taken back by an object that has delivered', () => {
    const reports = createBacklogReports();
    reports.receive(report(1), NOW);
    reports.receive(report(2, 3), NOW);
    reports.receive(report(1, 0, NOW), NOW);
    expect(reports.waiting(NOW)).toEqual({ ...NOTHING, ...agents(1, 3), since: NOW - 1_000 });
  });

  it('lapse a minute after the last, each for itself', () => {
    const reports = createBacklogReports();
    reports.receive(report(1, 1), NOW);
    reports.receive(report(2, 2), NOW + 10_000);
    reports.receive(report(1, 4), NOW + 20_000);
    expect(reports.waiting(NOW + 69_999)).toMatchObject(agents(2, 6));
    expect(reports.waiting(NOW + 70_000)).toMatchObject(agents(1, 4));
    expect(reports.waiting(NOW + 80_000)).toEqual(NOTHING);
  });

  it('are bounded: of too many objects those count that came first, and they go on to', () => {
    const reports = createBacklogReports();
    for (let n = 0; n < 1_500; n += 1) reports.receive(report(n), NOW);
    expect(reports.waiting(NOW)).toMatchObject(agents(1_000, 1_000));
    reports.receive(report(0, 3), NOW + 1);
    expect(reports.waiting(NOW + 1)).toMatchObject(agents(1_000, 1_002));
  });
});

it('what waits in several places is added up, and is as old as the oldest of it', () => {
  expect(sumWaiting([])).toEqual(NOTHING);
  expect(
    sumWaiting([
      NOTHING,
      { events: 2, ...agents(1, 3), since: NOW - 5_000 },
      { events: 4, ...agents(2, 5), since: NOW - 7_000 },
    ]),
  ).toEqual({ events: 6, ...agents(3, 8), since: NOW - 7_000 });
});
