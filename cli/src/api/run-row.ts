import { type ExitCode, type Terminal, UsageError } from '../command.ts';
import { findAccess } from './access.ts';
import { callBroker } from './client.ts';
import { operationOf } from './operation.ts';
import { plain } from './plain-text.ts';
import { type ApiRow, type Common, isPaged, membersOf } from './row.ts';
import { pagesOf, showList, showObject, showReceipt } from './show.ts';

/** Runs the call of a row. `words` are those in their places, `options` by the name in the flag. */
export async function runRow(
  row: ApiRow,
  words: readonly unknown[],
  options: Readonly<Record<string, unknown>>,
  common: Common,
  terminal: Terminal,
): Promise<ExitCode> {
  const members = membersOf(row, words, options, terminal.environment);
  if (row.run !== undefined) return row.run(members, common, terminal);
  const access = await findAccess(common.profile, terminal);
  const operation = operationOf(row.call);
  if (row.ends !== undefined) await confirm(row.ends, common, terminal);
  if (row.columns !== undefined) {
    const limit = isPaged(row) ? (common.limit ?? Number.MAX_SAFE_INTEGER) : undefined;
    await showList(pagesOf(operation, members, limit, access, terminal), row.columns, common.json, terminal);
    return 0;
  }
  const body = await callBroker(operation, members, access, terminal);
  if (row.show !== undefined) return row.show(body, common.json, terminal);
  showObject(body, common.json, terminal);
  return showReceipt(body, row.again ?? '', terminal);
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
