import { cell } from './show.ts';
import type { Column } from './table.ts';
import { age } from './words.ts';

/** A word that a command takes, and the member of the request that it becomes. */
export interface Field {
  /** Of an option `--reason <text>`; of a word in its place `<kid>` or `[instance]`. */
  readonly flag: string;
  /** In the query, the body or the path; left out: the name in the flag, with `_` for `-`. */
  readonly member?: string;
  readonly about: string;
  /** Left out: the text as it is. Throws a `UsageError`. `now` in ms. */
  readonly read?: (text: string, now: number) => unknown;
  readonly required?: true;
  readonly choices?: readonly string[];
}

/** A command that is one call of the API. */
export interface ApiRow {
  readonly words: string;
  readonly about: string;
  readonly example: string;
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** As the route is written. Words in their place fill it, the others and the options are query or body. */
  readonly path: string;
  readonly places?: readonly Field[];
  readonly options?: readonly Field[];
  /** A POST that takes its reason in the query. */
  readonly inQuery?: true;
  /** Of a list; left out: the answer is one object. */
  readonly columns?: readonly Column[];
  /** A list that comes at once. */
  readonly whole?: true;
  /** The members as the API wants them. */
  readonly adjust?: (members: Members) => Members;
  /** Of a call that ends sessions or credentials: the question to the person. */
  readonly ends?: string;
  /** The advice where some objects were not reached. */
  readonly again?: string;
}

/** Of a query or a body. */
export type Members = Readonly<Record<string, unknown>>;

export const column = (title: string, member: string, rest: Omit<Column, 'title' | 'of'> = {}): Column => ({
  title,
  of: (row) => cell(row[member]),
  ...rest,
});
export const since = (title: string, member: string, rest: Omit<Column, 'title' | 'of'> = {}): Column => ({
  title,
  of: (row, now) => age(row[member], now),
  ...rest,
});

export const AGENT: Field = { flag: '--agent <slug>', about: 'of this agent' };
export const INSTANCE: Field = { flag: '--instance <name>', about: 'of this instance, with --agent' };
