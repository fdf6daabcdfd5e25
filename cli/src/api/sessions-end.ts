import { type ExitCode, type Terminal, UsageError } from '../command.ts';
import { type Access, findAccess } from './access.ts';
import { type Answered, callBroker } from './ask-broker.ts';
import { personOf } from './rows.ts';
import { type Common, confirm } from './run-row.ts';
import { count, pagesOf, showObject, showReceipt } from './show.ts';

export interface EndOptions extends Common {
  readonly id?: string | undefined;
  readonly person?: string | undefined;
  readonly serviceToken?: string | undefined;
  readonly agent?: string | undefined;
  readonly instance?: string | undefined;
  readonly address?: string | undefined;
  readonly reason: string;
}

const MOST_COUNTED = 200;

/** `agent-ticket sessions end`: one session, or all of a person, token, agent, instance or address. No ban. */
export async function sessionsEnd(options: EndOptions, terminal: Terminal): Promise<ExitCode> {
  const { id, person, serviceToken, agent, instance, address, reason } = options;
  const selectors = [id, person, serviceToken, agent, address].filter((each) => each !== undefined);
  if (selectors.length !== 1 || (instance !== undefined && agent === undefined))
    throw new UsageError(
      'Name one session by its id, or one of --person, --service-token, --agent (with --instance) and --address.',
    );
  const access = await findAccess(options.profile, terminal);
  if (id !== undefined) {
    await confirm('This ends the session.', options, terminal);
    const path = `/admin/agents/sessions/${encodeURIComponent(id)}`;
    return finish(
      await callBroker({ method: 'DELETE', path, query: { reason } }, access, terminal),
      options,
      terminal,
    );
  }
  const selector = {
    ...personOf(person),
    ...{ service_token: serviceToken, agent, instance, ip_address: address },
  };
  if (options.yes !== true) await confirm(await consequence(selector, access, terminal), options, terminal);
  const body = { ...selector, reason };
  const path = '/admin/agents/sessions/terminate';
  return finish(await callBroker({ method: 'POST', path, body }, access, terminal), options, terminal);
}

/** The number of sessions that will end, for the question to the person. */
async function consequence(
  selector: Readonly<Record<string, unknown>>,
  access: Access,
  terminal: Terminal,
): Promise<string> {
  if (!terminal.isInteractive) return 'This ends live sessions.';
  const query = { ...selector, active: true };
  const request = { method: 'GET', path: '/admin/agents/sessions', query } as const;
  let live = 0;
  for await (const page of pagesOf(request, MOST_COUNTED, access, terminal)) live += page.length;
  const most = live === MOST_COUNTED ? ' or more' : '';
  return `This ends ${count(live, 'live session')}${most}, and the tickets from before.`;
}

function finish(answered: Answered, { json }: EndOptions, terminal: Terminal): ExitCode {
  showObject(answered.body, json, terminal);
  return showReceipt(answered, 'Repeat the command to ask them now.', terminal);
}
