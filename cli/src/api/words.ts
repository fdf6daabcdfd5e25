import { LockTarget, readTargetName } from '@agent-ticket/shared/target.ts';
import { InvalidArgumentError } from '@commander-js/extra-typings';

/** How words of a command line are read where the API takes something else than a text. */

const SECONDS = { s: 1, m: 60, h: 3600, d: 86_400 } as const;
type Unit = keyof typeof SECONDS;
const isUnit = (text: string): text is Unit => Object.hasOwn(SECONDS, text);

/** `90s`, `15m`, `8h`, `30d`, or a number of seconds, in seconds. */
export function duration(text: string): number {
  const [, number, unit = ''] = /^(\d{1,9})([smhd]?)$/.exec(text) ?? [];
  if (number !== undefined) return Number(number) * (isUnit(unit) ? SECONDS[unit] : 1);
  throw new InvalidArgumentError('It must be a duration such as 90s, 15m, 8h or 30d.');
}

/** A moment in RFC 3339 with a zone, or so long ago: `15m`. */
export function moment(text: string, now: number): string {
  if (/^\d{1,9}[smhd]$/.test(text)) return new Date(now - duration(text) * 1000).toISOString();
  if (
    /^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d)$/i.test(text) &&
    !Number.isNaN(Date.parse(text))
  )
    return new Date(text).toISOString();
  throw new InvalidArgumentError('It must be a time: 15m for 15 minutes ago, or 2026-11-29T14:05:00+01:00.');
}

/** A target of a lock, as the audit log writes it. */
export function lockTarget(text: string): LockTarget {
  const name =
    text === 'everything'
      ? 'everything:'
      : text.replace(/^(session|ticket):(.*)$/, (all) => all.toLowerCase());
  try {
    return LockTarget.parse(readTargetName(name.replace(/^principal:token:/, 'service-token:')));
  } catch {
    // zod says which member is wrong, which is no word of a command line.
    throw new InvalidArgumentError(
      `It must be everything, agent:<slug>, instance:<agent>/<instance>, principal:<id>, service-token:<client id>, session:<id>, ticket:<jti>, callback:<id> or key:<kid>. "principals list --label" and "sessions list --json" have the ids of a person.`,
    );
  }
}

/** Words that are separated by commas or spaces. */
export const several = (text: string): readonly string[] =>
  text.split(/[,\s]+/).filter((word) => word !== '');

/** How long ago, in one or two letters and digits: `40s`, `12m`, `3h`, `20d`. */
export function age(at: unknown, now: number): string {
  const seconds = typeof at === 'string' ? Math.round((now - Date.parse(at)) / 1000) : Number.NaN;
  if (Number.isNaN(seconds)) return '-';
  const past = Math.abs(seconds);
  const [unit, length] =
    past < 90 ? ['s', 1] : past < 5400 ? ['m', 60] : past < 172_800 ? ['h', 3600] : ['d', 86_400];
  return `${seconds < 0 ? 'in ' : ''}${Math.round(past / Number(length))}${unit}`;
}
