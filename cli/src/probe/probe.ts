import { painter } from '../api/paint.ts';
import { json, plain } from '../api/plain-text.ts';
import type { Common } from '../api/row.ts';
import type { ExitCode, Terminal } from '../command.ts';
import { BAD_TICKETS, withTicket } from './bad-tickets.ts';
import { admitted, closedWith, type Requirement } from './check.ts';
import type { Seen } from './socket.ts';
import { type Asked, findTarget } from './target.ts';

/** Long enough for all checks. */
const TICKET_SECONDS = 120;

/**
 * `agent-ticket probe`: checks that a deployment admits a good ticket once, and refuses every bad ticket with the right
 * close. Resolves to 1 if it does not. Opens one session on the instance. Does NOT try an expired ticket: `--conformance`
 * waits until a ticket expires.
 */
export async function probe(options: Asked & Common, terminal: Terminal): Promise<ExitCode> {
  const { good, show } = await findTarget(options, TICKET_SECONDS, terminal);
  const { green, red } = painter(terminal.colours);
  let failed = 0;
  const say = (
    name: string,
    expected: 'admitted' | 'refused',
    seen: Seen,
    holds: Requirement<Seen>,
  ): void => {
    const isRight = holds(seen) === undefined;
    failed += isRight ? 0 : 1;
    if (options.json) terminal.out(`${json({ name, expected, ok: isRight, seen: seen.text })}\n`);
    else terminal.out(`${isRight ? green('ok   ') : red('FAULT')}  ${name.padEnd(40)} ${plain(seen.text)}\n`);
  };
  for (const { name, present, close } of BAD_TICKETS)
    say(name, 'refused', await show(await present(good)), closedWith(...close));
  const presented = withTicket(good, good.ticket);
  say('a good ticket', 'admitted', await show(presented), admitted);
  say('the same ticket again', 'refused', await show(presented), closedWith(3000, 'ticket_used'));
  if (failed > 0)
    terminal.err(
      'The deployment does not do what it must. See "agent-ticket doctor"; where a bad ticket was admitted, lock everything: agent-ticket locks create everything\n',
    );
  return failed === 0 ? 0 : 1;
}
