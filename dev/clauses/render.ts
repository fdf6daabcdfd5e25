import { table } from '../check/markdown.ts';
import type { Fault } from '../check/report.ts';
import type { SourceFile } from '../check/repository.ts';
import { ASVS_IDENTITY } from './asvs-identity.ts';
import { ASVS_OPERATION } from './asvs-operation.ts';
import { ASVS_WEB } from './asvs-web.ts';
import { CAEP } from './caep.ts';
import type { Clause } from './clause.ts';
import { RFC_8725 } from './jwt.ts';
import { RFC_7009, RFC_7662, RFC_8414, RFC_8693, RFC_9700, RFC_9728 } from './oauth.ts';

/** Every table of clauses, by the name of its generated section in a document. */
const TABLES: Readonly<Record<string, readonly Clause[]>> = {
  'clauses-rfc-8725': RFC_8725,
  'clauses-rfc-9700': RFC_9700,
  'clauses-rfc-8693': RFC_8693,
  'clauses-rfc-7009': RFC_7009,
  'clauses-rfc-7662': RFC_7662,
  'clauses-rfc-8414': RFC_8414,
  'clauses-rfc-9728': RFC_9728,
  'clauses-caep': CAEP,
  'clauses-asvs-web': ASVS_WEB,
  'clauses-asvs-identity': ASVS_IDENTITY,
  'clauses-asvs-operation': ASVS_OPERATION,
};

const HELD: Readonly<Record<Clause['held'], string>> = {
  yes: 'held',
  deviates: '**deviates**',
  none: 'does not apply',
};

/** Escapes a pipe, which would end a cell, and `<`, which would begin HTML. */
const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

const rowsOf = (clauses: readonly Clause[]): string =>
  table(
    ['clause', 'asks', '', 'here', 'shown by'],
    clauses.map(({ at, asks, held, how, tests }) => [
      at.replaceAll('*', '\\*'),
      cell(asks),
      HELD[held],
      cell(how),
      tests.map(([file, title]) => `[${cell(title).replaceAll(/[[\]]/g, '')}](../../${file})`).join('; '),
    ]),
  );

export const CLAUSE_TABLES: Readonly<Record<string, () => string>> = Object.fromEntries(
  Object.entries(TABLES).map(([name, clauses]) => [name, () => rowsOf(clauses)]),
);

/** Clauses that name a missing test, and clauses that apply and name no test. */
export const clauseFaults = (
  files: readonly SourceFile[],
  tables: Readonly<Record<string, readonly Clause[]>> = TABLES,
): Fault[] =>
  Object.entries(tables).flatMap(([name, clauses]) =>
    clauses.flatMap(({ at, held, tests }) => [
      ...(held !== 'none' && tests.length === 0
        ? [{ file: 'dev/clauses', message: `${name} ${at} applies and names no test` }]
        : []),
      ...tests
        .filter(([file, title]) => files.find(({ path }) => path === file)?.text.includes(title) !== true)
        .map(([file, title]) => ({ file, message: `has no test "${title}", which ${name} ${at} names` })),
    ]),
  );
