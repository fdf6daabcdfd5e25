import { type ExitCode, type Terminal, UsageError } from '../command.ts';
import { type Access, findAccess } from './access.ts';
import { callBroker } from './client.ts';
import { type Members, operationOf } from './operation.ts';
import type { Common } from './row.ts';
import { confirm } from './run-row.ts';
import { count, pagesOf, showObject, showReceipt } from './show.ts';

const MOST_COUNTED = 200;

/**
 * `agent-ticket sessions end`: one session, or all of a person, token, agent, instance or address. No ban, but with
 * `--sign-out` a person signs in again first.
 */
export async function sessionsEnd(
  { reason, sign_out: signOut, ...selector }: Members,
  common: Common,
  terminal: Terminal,
): Promise<ExitCode> {
  const { id, instance, ...others } = selector;
  if (
    Object.keys({ ...others, ...(id !== undefined && { id }) }).length !== 1 ||
    (instance !== undefined && others.agent === undefined)
  )
    throw new UsageError(
      'Name one session by its id, or one of --person, --service-token, --agent (with --instance) and --ip-address.',
    );
  if (signOut === true && others.principal === undefined && others.label === undefined)
    throw new UsageError('--sign-out is for a person: name one by --person.');
  const access = await findAccess(common.profile, terminal);
  const operation = operationOf(
    id === undefined ? 'POST /admin/agents/sessions/terminate' : 'DELETE /admin/agents/sessions/{id}',
  );
  if (common.yes !== true)
    await confirm(
      id === undefined ? await consequence(selector, access, terminal) : 'This ends the session.',
      common,
      terminal,
    );
  const body = await callBroker(operation, { reason, sign_out: signOut, ...selector }, access, terminal);
  showObject(body, common.json, terminal);
  return showReceipt(body, 'Repeat the command to ask them now.', terminal);
}

/** The number of sessions that will end, for the question to the person. */
async function consequence(selector: Members, access: Access, terminal: Terminal): Promise<string> {
  if (!terminal.isInteractive) return 'This ends live sessions.';
  const list = operationOf('GET /admin/agents/sessions');
  let live = 0;
  for await (const page of pagesOf(list, { ...selector, active: true }, MOST_COUNTED, access, terminal))
    live += page.length;
  const most = live === MOST_COUNTED ? ' or more' : '';
  return `This ends ${count(live, 'live session')}${most}, and the tickets from before.`;
}
