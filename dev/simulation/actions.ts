import { NAMES, type Name } from './people.ts';
import type { Random } from './world.ts';

/** The most by which the clock of a machine differs from the true time. */
export const MOST_AHEAD_MS = 2_000;

/**
 * An event that the simulation causes in a run. Plain data, so that a run can be repeated without some of the actions.
 */
export type Action = { readonly at: number } & (
  | {
      readonly kind: 'connect';
      readonly who: Name;
      readonly agent: string;
      readonly instance: string;
      readonly pauseMs: number;
      readonly times: number;
    }
  | { readonly kind: 'ask'; readonly who: Name; readonly agent: string; readonly instance: string }
  | { readonly kind: 'present again' | 'send' | 'renew' | 'leave' | 'vanish'; readonly pick: number }
  | { readonly kind: 'flood'; readonly who: Name }
  | {
      readonly kind: 'lock';
      /** Left out: the lock stays, unless another action lifts it. */
      readonly liftAfterMs?: number | undefined;
      readonly what: 'principal' | 'agent' | 'instance' | 'everything';
      readonly who: Name;
      readonly agent: string;
      readonly instance: string;
    }
  | { readonly kind: 'unlock' | 'ungrant'; readonly pick: number }
  | { readonly kind: 'grant'; readonly who: Name; readonly instance: string; readonly role: string }
  | { readonly kind: 'rotate'; readonly activate: 'scheduled' | 'now'; readonly times: number }
  | { readonly kind: 'revoke key' | 'schedule' }
  | { readonly kind: 'terminate'; readonly who: Name }
  | { readonly kind: 'delete'; readonly agent: string; readonly instance: string }
  | { readonly kind: 'crash'; readonly part: 'broker' | 'gate'; readonly index: number }
  | { readonly kind: 'evict' | 'reset'; readonly pick: number }
  | { readonly kind: 'outage'; readonly of: 'control' | 'record' | 'between'; readonly ms: number }
  | { readonly kind: 'bad network'; readonly loss: number; readonly ms: number }
  | { readonly kind: 'capture'; readonly ms: number }
  | {
      readonly kind: 'clock';
      readonly part: 'broker' | 'gate';
      readonly index: number;
      readonly ahead: number;
    }
  | { readonly kind: 'restore record' }
);
type LockKind = Extract<Action, { kind: 'lock' }>['what'];
export type Kind = Action['kind'];

/** Time in which actions happen, in ms. Then all faults end, and the run continues until no work is left. */
export const ACTING_MS = 75_000;

const FAULTS: readonly Kind[] = [
  'crash',
  'evict',
  'reset',
  'outage',
  'bad network',
  'clock',
  'restore record',
];
export const isFault = ({ kind }: Action): boolean => FAULTS.includes(kind);

/** The kinds of actions, with the relative frequency of each. */
const WEIGHTS: readonly (readonly [Kind, number])[] = [
  ['connect', 30],
  ['ask', 4],
  ['present again', 6],
  ['send', 8],
  ['renew', 6],
  ['leave', 3],
  ['vanish', 2],
  ['flood', 0.7],
  ['lock', 5],
  ['unlock', 4],
  ['grant', 5],
  ['ungrant', 3],
  ['rotate', 3],
  ['revoke key', 1.5],
  ['terminate', 3],
  ['delete', 2],
  ['schedule', 5],
  ['capture', 2],
  ['crash', 3],
  ['evict', 4],
  ['reset', 2],
  ['outage', 4],
  ['bad network', 3],
  ['clock', 1],
  ['restore record', 0.8],
];

const [FIRST, ...REST] = NAMES;

/**
 * The actions of a seed, in order of time. A quarter of the runs have no faults: only these check promises with a time.
 */
export function drawActions(random: Random): Action[] {
  const isCalm = random.chance(0.25);
  const weights = WEIGHTS.filter(([kind]) => !isCalm || !FAULTS.includes(kind));
  const total = weights.reduce((sum, [, weight]) => sum + weight, 0);
  const drawKind = (): Kind => {
    let left = (random.below(1e6) / 1e6) * total;
    for (const [kind, weight] of weights) {
      left -= weight;
      if (left < 0) return kind;
    }
    return 'connect';
  };
  const count = 6 + random.below(18);
  return Array.from({ length: count }, () => draw(random, drawKind())).sort((a, b) => a.at - b.at);
}

function draw(random: Random, kind: Kind): Action {
  const at = random.below(ACTING_MS);
  const who = random.pick([FIRST, ...REST]);
  const agent =
    who === 'stranger' && random.chance(0.8)
      ? 'lobby'
      : random.pick(['counter', 'counter', 'vault', 'notes', 'lobby']);
  const instance = agent === 'lobby' ? 'main' : random.pick(['one', 'two']);
  const pick = random.below(1_000);
  const index = random.below(2);
  const part = random.pick<'broker' | 'gate'>(['broker', 'gate']);
  switch (kind) {
    case 'connect': {
      const pauseMs = random.chance(0.2) ? random.below(50_000) : random.below(300);
      return { kind, at, who, agent, instance, pauseMs, times: random.chance(0.2) ? 3 : 1 };
    }
    case 'ask':
      return { kind, at, who, agent, instance };
    case 'present again':
    case 'send':
    case 'renew':
    case 'leave':
    case 'vanish':
    case 'unlock':
    case 'ungrant':
    case 'evict':
    case 'reset':
      return { kind, at, pick };
    case 'flood':
    case 'terminate':
      return { kind, at, who };
    case 'lock': {
      const what = random.pick<LockKind>(['principal', 'principal', 'agent', 'instance', 'everything']);
      const liftAfterMs = random.chance(0.4) ? random.below(2_500) : undefined;
      return { kind, at, what, who, agent, instance, liftAfterMs };
    }
    case 'grant':
      return { kind, at, who, instance, role: random.pick(['viewer', 'admin', 'owner']) };
    case 'rotate':
      return {
        kind,
        at,
        activate: random.chance(0.5) ? 'now' : 'scheduled',
        times: random.chance(0.4) ? 2 : 1,
      };
    case 'revoke key':
    case 'restore record':
    case 'schedule':
      return { kind, at };
    case 'delete':
      return {
        kind,
        at,
        agent: random.pick(['notes', 'vault', 'counter']),
        instance: random.pick(['one', 'two']),
      };
    case 'crash':
      return { kind, at, part, index };
    case 'outage':
      return { kind, at, of: random.pick(['control', 'record', 'between']), ms: 500 + random.below(30_000) };
    case 'bad network':
      return { kind, at, loss: random.pick([0.03, 0.1, 0.3]), ms: 5_000 + random.below(40_000) };
    case 'capture':
      return { kind, at, ms: 5_000 + random.below(40_000) };
    case 'clock':
      return { kind, at, part, index, ahead: random.below(2 * MOST_AHEAD_MS) - MOST_AHEAD_MS };
  }
}
