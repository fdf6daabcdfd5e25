import { type AnonymousLimit, SIGN_IN_LIMIT } from '@agent-ticket/broker/src/http/anonymous-limit.ts';
import {
  FAILED_CREDENTIALS_LIMIT,
  RATE_LIMITS,
  RATE_WINDOW_MS,
} from '@agent-ticket/broker/src/mint/ledger.ts';
import { ROUTES } from '@agent-ticket/broker/src/resources/routes.ts';
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

/** What strangers may make each route do that is open to them. */
export const strangerLimits = (): string =>
  table(
    ['method', 'path', `from one address in ${RATE_WINDOW_MS / 1000} s`],
    ROUTES.flatMap((route) =>
      route.auth === 'required' ? [] : [[route.method, code(route.path), limitOf(route.anonymousLimit)]],
    ),
  );

function limitOf(rule: AnonymousLimit): string {
  switch (rule.counts) {
    case 'requests':
      return `${rule.limit} requests`;
    case 'sign-ins':
      return `${SIGN_IN_LIMIT} sign-ins that were begun in the browser`;
    case 'tickets':
      return `${RATE_LIMITS.anonymous} tickets`;
    case 'failures':
      return `${FAILED_CREDENTIALS_LIMIT} that fail, together with every failed credential`;
    case 'nothing':
      return `not counted: ${rule.reason}`;
  }
}
