import { errors } from 'jose';
import * as z from 'zod';
import { painter } from '../api/paint.ts';
import { json, plain } from '../api/plain-text.ts';
import type { ExitCode, Terminal } from '../command.ts';
import type { Check, Finding } from './check.ts';
import { DOCUMENTS } from './documents.ts';
import { MINT } from './mint.ts';
import { MINT_INPUTS } from './mint-inputs.ts';
import { CONTROL, ORIGINS, PLAIN_REQUESTS } from './plain-requests.ts';
import { SESSIONS } from './sessions.ts';
import { type Asked, findTarget, type Target } from './target.ts';
import { TICKET_STATUS } from './ticket-status.ts';
import { TOKEN_ENDPOINT } from './token-endpoint.ts';
import { REFUSALS, UPGRADES } from './upgrades.ts';

/** Every check, by group, in the order of the report. */
export const CONFORMANCE = {
  documents: DOCUMENTS,
  mint: [...MINT, ...MINT_INPUTS],
  oauth: [...TOKEN_ENDPOINT, ...TICKET_STATUS],
  upgrades: UPGRADES,
  refusals: REFUSALS,
  'plain-requests': PLAIN_REQUESTS,
  origins: ORIGINS,
  control: CONTROL,
  sessions: SESSIONS,
} as const satisfies Readonly<Record<string, readonly Check[]>>;
export type Group = keyof typeof CONFORMANCE;
export const CHECK_GROUPS = Object.keys(CONFORMANCE) as readonly Group[];

/** The longest lifetime of a ticket, so that the good ticket is valid for the whole run. */
const LIFE_SECONDS = 300;
/** Checks that run at once. Less than the sockets that a principal may have on an instance. */
const AT_ONCE = 4;

const verdictOf = (found: Finding): 'ok' | 'fault' | 'skipped' =>
  found === undefined ? 'ok' : 'fault' in found ? 'fault' : 'skipped';
const textOf = (found: Finding): string =>
  found === undefined ? '' : 'fault' in found ? found.fault : found.skipped;

/**
 * `agent-ticket probe --conformance`: checks the requirements of the documentation on a broker and its gate, and reports
 * each check. Resolves to 1 if a check fails. Leaves events of tickets, ended sessions, and revocations of its own tickets.
 *
 * @param groups empty: all.
 */
export async function conformance(
  asked: Asked & { readonly json: boolean; readonly groups: readonly Group[] },
  terminal: Terminal,
): Promise<ExitCode> {
  const target = await findTarget(asked, LIFE_SECONDS, terminal);
  const { green, red, yellow, dim } = painter(terminal.colours);
  const shown = { ok: green('ok     '), fault: red('FAULT  '), skipped: yellow('skipped') };
  const counts = { ok: 0, fault: 0, skipped: 0 };
  for (const group of asked.groups.length === 0 ? CHECK_GROUPS : asked.groups) {
    if (!asked.json) terminal.out(`${group}\n`);
    for await (const { check, found } of inOrder(CONFORMANCE[group], target)) {
      const verdict = verdictOf(found);
      const seen = plain(textOf(found));
      counts[verdict] += 1;
      const { name, clause } = check;
      if (asked.json) terminal.out(`${json({ group, name, clause, verdict, seen })}\n`);
      else
        terminal.out(`  ${shown[verdict]}  ${name} ${dim(`(${clause})`)}${seen === '' ? '' : `: ${seen}`}\n`);
    }
  }
  const { written } = target;
  if (asked.json) terminal.out(`${json({ ...counts, written })}\n`);
  else
    terminal.out(
      `${counts.ok + counts.fault + counts.skipped} checks: ${counts.ok} hold, ${counts.fault} do not, ${counts.skipped} skipped. ` +
        `Written: events of ${written.tickets} tickets, ${written.sessions} sessions, which have ended, and ${written.revocations} revocations of these tickets.\n`,
    );
  return counts.fault === 0 ? 0 : 1;
}

/** An answer that a check cannot read is a fault of the deployment. An address that does not answer ends the run. */
function tried(check: Check, target: Target): Promise<Finding> {
  const found = check.run(target).catch((error: unknown): Finding => {
    if (error instanceof z.ZodError || error instanceof errors.JOSEError)
      return { fault: `cannot be read: ${error.name}` };
    throw error;
  });
  // It is awaited in its turn, which an earlier rejection may prevent.
  found.catch(() => {});
  return found;
}

/** Runs several checks at a time, and yields the results in the order of the checks. */
async function* inOrder(
  checks: readonly Check[],
  target: Target,
): AsyncGenerator<{ readonly check: Check; readonly found: Finding }> {
  const running: { readonly check: Check; readonly found: Promise<Finding> }[] = [];
  const waiting = [...checks];
  const fill = (): void => {
    for (
      let check = waiting.shift();
      check !== undefined;
      check = running.length < AT_ONCE ? waiting.shift() : undefined
    )
      running.push({ check, found: tried(check, target) });
  };
  fill();
  for (let first = running.shift(); first !== undefined; first = running.shift()) {
    const found = await first.found;
    yield { check: first.check, found };
    const next = waiting.shift();
    if (next !== undefined) running.push({ check: next, found: tried(next, target) });
  }
}
