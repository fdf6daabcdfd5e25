import { CONTROL_CHARACTER, describeValues } from '@agent-ticket/shared/describe-values.ts';
import { InvalidArgumentError } from '@commander-js/extra-typings';
import * as z from 'zod';
import type { ExitCode, Terminal } from '../command.ts';
import type { Json } from './client.ts';
import { type Call, type Member, type Members, memberOf, operationOf } from './operation.ts';
import type { Column } from './table.ts';
import { duration, moment, several } from './words.ts';

/** Makes a value of a word. Throws an `InvalidArgumentError` with the valid values. `now` in ms. */
type Reader = (text: string, now: number) => unknown;

/** A word that a command takes, and the member of the request that it becomes. */
export interface Field {
  readonly member: string;
  /** Of an option `--reason <text>`; of a word in its place `<kid>` or `[instance]`. */
  readonly flag: string;
  readonly about: string;
  /** The member that a text becomes, where there are two; left out: `member`. */
  readonly memberFor?: (text: string) => string;
  /** The operation that has the member; left out: the operation of the row. */
  readonly call?: Call;
  /** Left out: as the document says, or one of the choices. Throws an `InvalidArgumentError`. `now` in ms. */
  readonly read?: Reader;
  readonly isRequired?: boolean;
  readonly choices?: readonly string[];
}

/** Options of every command that asks the broker. */
export interface Common {
  readonly profile?: string | undefined;
  readonly json: boolean;
  /** The most rows of a list. */
  readonly limit?: number | undefined;
  /** Skips the question before a destructive command. */
  readonly yes?: boolean | undefined;
}

/** A command that is one call of the API. Its description and members come from the OpenAPI document. */
export interface ApiRow {
  readonly words: string;
  readonly call: Call;
  /** Left out: the summary and description of the call. */
  readonly about?: string;
  readonly example: string;
  /** Members of the body that are words in their places, in the order of the document. */
  readonly places?: readonly string[];
  /** Words that differ from the members that they become; `null`: no word at all. */
  readonly differs?: Readonly<Record<string, Field | null>>;
  /** Words that are no member of the call. */
  readonly more?: readonly Field[];
  /** The members as the API wants them. Throws a `UsageError`. */
  readonly adjust?: (members: Members, environment: Terminal['environment']) => Members;
  /** Of a list; left out: the answer is one object. */
  readonly columns?: readonly Column[];
  /** Shows the object, and answers the exit code; left out: a line for each member, and what its receipt says. */
  readonly show?: (body: Json, isJson: boolean, terminal: Terminal) => ExitCode;
  /** Of a call that ends sessions or credentials: the question to the person. */
  readonly ends?: string;
  /** The advice where some objects were not reached. */
  readonly again?: string;
  /** In place of the one call. */
  readonly run?: (members: Members, common: Common, terminal: Terminal) => Promise<ExitCode>;
}

/** Of a list that comes in pages. */
const OF_PAGES = ['limit', 'cursor'];
export const isPaged = (row: ApiRow): boolean =>
  row.columns !== undefined && operationOf(row.call).members.some(({ name }) => name === 'cursor');

type ReadField = Field & { readonly read: Reader };

/** The arguments and options of a command. */
export function fieldsOf(row: ApiRow): {
  readonly places: readonly ReadField[];
  readonly options: readonly ReadField[];
} {
  const { places = [], differs = {}, more = [] } = row;
  const { members } = operationOf(row.call);
  const fields = members
    .filter(({ name }) => differs[name] !== null && !OF_PAGES.includes(name))
    .map((member) => {
      const isPlace = member.in === 'path' || places.includes(member.name);
      return { isPlace, field: differs[member.name] ?? fieldOf(member, isPlace) };
    });
  const all = [...fields, ...more.map((field) => ({ isPlace: !field.flag.startsWith('-'), field }))];
  const chosen = (wanted: boolean) =>
    all.flatMap(({ isPlace, field }) =>
      isPlace === wanted ? [{ ...field, read: readerOf(row, field) }] : [],
    );
  return { places: chosen(true), options: chosen(false) };
}

/** The reader of a field: its own, or the reader of its member. */
function readerOf(row: ApiRow, { read, choices = [], call = row.call, member, memberFor }: Field): Reader {
  if (read !== undefined) return read;
  if (choices.length > 0) return (text) => text;
  return (text, now) => readMember(memberOf(call, memberFor?.(text) ?? member), text, now);
}

/** Reads a text as a member of a request. Throws an `InvalidArgumentError` for a value that the document does not allow. */
function readMember({ name, schema }: Member, text: string, now: number): unknown {
  const kind = kindOf(name, schema);
  const value = kind === undefined ? text : kind.read(text, now);
  if (!CONTROL_CHARACTER.test(text) && z.fromJSONSchema(schema).safeParse(value).success) return value;
  throw new InvalidArgumentError(`It must be ${kind?.words?.(schema) ?? describeValues(schema)}.`);
}

/** Reads a text as a member of a call, for commands without a row. */
export const textOf =
  (call: Call, name: string) =>
  (text: string): string => {
    readMember(memberOf(call, name), text, 0);
    return text;
  };

/** A longer list of choices is left out of the help text. The broker checks the value. */
const MOST_CHOICES = 8;

function fieldOf({ name, about, isRequired, schema }: Member, isPlace: boolean): Field {
  const kind = kindOf(name, schema);
  const choices = (schema.enum ?? []).map(String);
  const words = name.replaceAll('_', '-');
  // The API accepts a change without a reason. The command requires one, for the audit log.
  const required = isRequired || name === 'reason';
  return {
    member: name,
    flag: isPlace
      ? required
        ? `<${words}>`
        : `[${words}]`
      : schema.type === 'boolean'
        ? `--${words}`
        : `--${words} <${kind?.word ?? words.slice(words.lastIndexOf('-') + 1)}>`,
    about: [about, kind?.hint, usualOf(schema.default)].filter((part) => part !== undefined).join('; '),
    isRequired: required,
    choices: choices.length > MOST_CHOICES ? [] : choices,
  };
}

interface Kind {
  readonly word: string;
  readonly hint: string;
  readonly read: Reader;
  /** The values in words; left out: those of the API. */
  readonly words?: (schema: Member['schema']) => string;
}

/** Members that a person writes in another form than the API. */
function kindOf(name: string, { type, format }: Member['schema']): Kind | undefined {
  if (format === 'date-time')
    return { word: 'time', hint: '2h for two hours ago, or RFC 3339', read: moment };
  if (name.endsWith('_in'))
    return {
      ...{ word: 'duration', hint: 'also as 90s, 15m, 8h or 30d', read: duration },
      words: ({ minimum, maximum }) =>
        `a duration of ${minimum} to ${maximum} seconds, such as 90s, 15m, 8h or 30d`,
    };
  return type === 'array' ? { word: 'names', hint: 'comma-separated', read: several } : undefined;
}

function usualOf(value: unknown): string | undefined {
  if (Array.isArray(value)) return 'left out: none';
  return typeof value === 'string' || typeof value === 'number' ? `left out: ${value}` : undefined;
}

/** The members that the words of a command become: those in their places, and options by the name in the flag. */
export function membersOf(
  row: ApiRow,
  words: readonly unknown[],
  options: Readonly<Record<string, unknown>>,
  environment: Terminal['environment'],
): Members {
  const fields = fieldsOf(row);
  const given: readonly (readonly [Field, unknown])[] = [
    ...fields.places.map((field, index) => [field, words[index]] as const),
    ...fields.options.map((field) => [field, options[optionName(field)]] as const),
  ];
  const members = Object.fromEntries(
    given.flatMap(([{ member, memberFor }, value]) =>
      value === undefined
        ? []
        : [[typeof value === 'string' ? (memberFor?.(value) ?? member) : member, value]],
    ),
  );
  return row.adjust?.(members, environment) ?? members;
}

/** As commander names an option: `--expires-in` is `expiresIn`. */
const optionName = ({ flag }: Field): string =>
  (/[a-z][a-z-]*/.exec(flag)?.[0] ?? flag).replace(/-([a-z])/g, (_all, letter: string) =>
    letter.toUpperCase(),
  );
