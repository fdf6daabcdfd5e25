import type { Revocation } from '@agent-ticket/shared/revocation.ts';
import { NOW, revocation } from './rows.ts';

/** Versions of one lock, by name. The last one was made by an operator who locked again after a lift. */
export const VERSIONS = {
  lock: revocation({ rev: 1, until: NOW + 5 }),
  lift: revocation({ rev: 2, until: NOW }),
  lockAgain: revocation({ rev: 10, until: null, code: 'session_terminated' }),
} as const satisfies Readonly<Record<string, Revocation>>;

type Name = keyof typeof VERSIONS;

/** Every order in which they may arrive, each followed by a late retry of each of them. */
export const EVERY_ORDER: readonly { readonly order: readonly Name[] }[] = permutations([
  'lock',
  'lift',
  'lockAgain',
]).flatMap((order) => order.map((retry) => ({ order: [...order, retry] })));

function permutations(names: readonly Name[]): Name[][] {
  if (names.length === 0) return [[]];
  return names.flatMap((name) =>
    permutations(names.filter((other) => other !== name)).map((rest) => [name, ...rest]),
  );
}
