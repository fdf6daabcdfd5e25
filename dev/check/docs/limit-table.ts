import { RATE_LIMITS, RATE_WINDOW_MS } from '@agent-ticket/broker/src/ledger.ts';
import * as limits from '@agent-ticket/shared/limits.ts';
import { code, table } from './table.ts';

export const limitTable = (values: Readonly<Record<string, unknown>> = limits): string =>
  table(
    ['limit', 'value'],
    Object.entries(values).flatMap(([name, value]) => rows(name, value)),
  );

/** `KEY_SET: { freshMs: 1 }` → `KEY_SET.freshMs`, 1. Functions are not limits. */
function rows(name: string, value: unknown): (readonly [string, number])[] {
  if (typeof value === 'number') return [[code(name), value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([part, inner]) => rows(`${name}.${part}`, inner));
}

export const rateLimits = (): string =>
  table(
    ['who', `tickets in ${RATE_WINDOW_MS / 1000} s`],
    Object.entries(RATE_LIMITS).map(([who, limit]) => [
      who === 'anonymous' ? 'strangers' : `tier ${who}`,
      limit ?? 'not counted',
    ]),
  );
