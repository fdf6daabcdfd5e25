type Line = Readonly<Record<string, unknown>>;

/** One line for each request: a flood of requests would be a flood of lines. */
const PACED = ['auth_success', 'auth_failure', 'gate_refused'];
/** Lines of one event that an isolate writes in a second. */
const PER_SECOND = 20;

/**
 * A log in which the lines of requests are bounded: those above the bound are counted, and a later second begins with
 * their numbers by event, agent and reason. Best effort, like the tally of refusals: what an isolate counted last goes with
 * it. `clock` in ms.
 */
export function paceLog(log: (line: Line) => void, clock: () => number): (line: Line) => void {
  let second = 0;
  const written = new Map<string, number>();
  const counted = new Map<string, Line & { readonly count: number }>();

  function turn(): void {
    const now = Math.floor(clock() / 1000);
    if (now === second) return;
    second = now;
    const over = [...counted.values()];
    written.clear();
    counted.clear();
    for (const line of over) log(line);
  }

  return (line) => {
    const event = String(line.event);
    if (!PACED.includes(event)) return log(line);
    turn();
    const sofar = written.get(event) ?? 0;
    if (sofar < PER_SECOND) {
      written.set(event, sofar + 1);
      return log(line);
    }
    const { agent, reason, auth_method } = line;
    const key = JSON.stringify([event, agent, reason]);
    counted.set(key, { event, agent, reason, auth_method, count: (counted.get(key)?.count ?? 0) + 1 });
  };
}
