import { type ExitCode, type Terminal, UsageError } from '../command.ts';
import { findAccess } from './access.ts';
import { type BrokerRequest, callBroker } from './ask-broker.ts';
import { plain } from './plain-text.ts';
import type { ApiRow, Field, Members } from './row.ts';
import { pagesOf, showList, showObject, showReceipt } from './show.ts';

/** Options of every command that asks the broker. */
export interface Common {
  readonly profile?: string | undefined;
  readonly json: boolean;
  /** Of a list: the most rows. */
  readonly limit?: number | undefined;
  /** Of a command that ends something: nobody is asked. */
  readonly yes?: boolean | undefined;
}

/** Runs the call of a row. `words` are those in their places, `options` by the name in the flag. */
export async function runRow(
  row: ApiRow,
  words: readonly string[],
  options: Readonly<Record<string, unknown>>,
  common: Common,
  terminal: Terminal,
): Promise<ExitCode> {
  const access = await findAccess(common.profile, terminal);
  const request = requestOf(row, words, options, terminal.now());
  if (row.ends !== undefined) await confirm(row.ends, common, terminal);
  if (row.columns !== undefined) {
    const limit = row.whole === true ? undefined : (common.limit ?? Number.MAX_SAFE_INTEGER);
    await showList(pagesOf(request, limit, access, terminal), row.columns, common.json, terminal);
    return 0;
  }
  const answered = await callBroker(request, access, terminal);
  showObject(answered.body, common.json, terminal);
  return showReceipt(answered, row.again ?? '', terminal);
}

/** Asks a person; refuses where none can be asked and `--yes` was not given. */
export async function confirm(what: string, { yes }: Pick<Common, 'yes'>, terminal: Terminal): Promise<void> {
  if (yes === true) return;
  if (!terminal.isInteractive) throw new UsageError(`${what} Nobody can be asked here: add --yes to do it.`);
  const input = terminal.openInput(`${plain(what)} Go on? [y/N] `);
  const answer = await input.next();
  input.close();
  if (/^y(es)?$/i.test(answer?.trim() ?? '')) return;
  throw new UsageError('Nothing was done.');
}

/** The request of a row with these words. Throws a `UsageError` for a word that cannot be read. */
export function requestOf(
  row: ApiRow,
  words: readonly string[],
  options: Readonly<Record<string, unknown>>,
  now: number,
): BrokerRequest {
  const { method, places = [], options: fields = [], adjust = (members) => members } = row;
  let path = row.path;
  const members: Record<string, unknown> = {};
  const take = (field: Field, text: unknown): void => {
    if (typeof text !== 'string') return;
    const name = memberOf(field);
    const value = field.read === undefined ? text : field.read(text, now);
    if (path.includes(`:${name}`)) path = path.replace(`:${name}`, encodeURIComponent(text));
    else members[name] = value;
  };
  for (const [index, field] of places.entries()) take(field, words[index]);
  for (const field of fields) take(field, options[optionName(field)]);
  const adjusted: Members = adjust(members);
  return method === 'POST' && row.inQuery !== true
    ? { method, path, body: adjusted }
    : { method, path, query: adjusted };
}

const nameIn = ({ flag }: Field): string => /[a-z][a-z-]*/.exec(flag)?.[0] ?? flag;

const memberOf = (field: Field): string => field.member ?? nameIn(field).replaceAll('-', '_');

/** As commander names an option: `--expires-in` is `expiresIn`. */
const optionName = (field: Field): string =>
  nameIn(field).replace(/-([a-z])/g, (_all, letter: string) => letter.toUpperCase());
