import type { BacklogReport } from '@agent-ticket/shared/backlog-report.ts';
import type { Waiting } from './shard.ts';

/** The sum of several backlogs. */
export function sumWaiting(places: readonly Waiting[]): Waiting {
  const sum = (count: (place: Waiting) => number): number =>
    places.reduce((total, place) => total + count(place), 0);
  const times = places.flatMap(({ since }) => since ?? []);
  return {
    events: sum(({ events }) => events),
    agents: {
      objects: sum(({ agents }) => agents.objects),
      events: sum(({ agents }) => agents.events),
    },
    since: times.length === 0 ? undefined : Math.min(...times),
  };
}

/** How long a report is valid. An object that still fails repeats it well before. */
const REPORT_VALID_MS = 60_000;

/** The most objects whose reports are held. Reports of further objects are dropped. */
const MAX_OBJECTS = 1_000;

/**
 * The newest report of each agent's object that cannot deliver. Reports are held in memory only: an object that still
 * fails repeats its report within seconds, so a restart loses nothing. Times in ms.
 */
export function createBacklogReports() {
  /** In the order of their reports. */
  const held = new Map<string, { waiting: number; since: number; at: number }>();

  function lapse(now: number): void {
    for (const [object, { at }] of held) {
      if (now - at < REPORT_VALID_MS) return;
      held.delete(object);
    }
  }

  return {
    receive({ object, waiting, since }: BacklogReport, now: number): void {
      lapse(now);
      held.delete(object);
      if (waiting > 0 && held.size < MAX_OBJECTS) held.set(object, { waiting, since, at: now });
    },

    waiting(now: number): Waiting {
      lapse(now);
      const places = [...held.values()].map(({ waiting, since }) => ({
        events: 0,
        agents: { objects: 1, events: waiting },
        since,
      }));
      return sumWaiting(places);
    },
  };
}
