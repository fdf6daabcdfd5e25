import { parseArgs } from 'node:util';
import { installHooks } from './hooks.ts';
import { PLANTED } from './planted.ts';

/*
 * npm run simulate [-- --seed N --seeds COUNT]: runs the whole deployment on virtual time, once for each seed, and prints the
 * broken promises of each run. A failed run is repeated with fewer actions, until the run needs each remaining action.
 *
 * --actions 3,7   the positions of the actions that happen; left out: all actions of the seed
 * --trace         prints all events
 * --twice         runs each seed again and compares
 * --planted NAME  puts a known fault into the code first, see planted.ts
 * --first         ends with the first seed that fails
 */
const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    seeds: { type: 'string', default: '1' },
    actions: { type: 'string' },
    trace: { type: 'boolean', default: false },
    twice: { type: 'boolean', default: false },
    first: { type: 'boolean', default: false },
    planted: { type: 'string' },
  },
});
const planted = PLANTED.find(({ name }) => name === values.planted);
if (values.planted !== undefined && planted === undefined) throw new Error(`no fault ${values.planted}`);

// Must run before code of the product is loaded, because that code uses these modules and globals.
installHooks(planted);
const { installRealm } = await import('./realm.ts');
installRealm();
const { simulate } = await import('./run.ts');
const { shrink } = await import('./shrink.ts');

const print = (text: string): void => void process.stdout.write(`${text}\n`);
const first = Number(values.seed);
const kept = values.actions?.split(',').flatMap((text) => (text === '' ? [] : [Number(text)]));
const sum = { failed: 0, different: 0, steps: 0, tickets: 0, sessions: 0 };
let seed = first;
for (; seed < first + Number(values.seeds); seed += 1) {
  const result = await simulate(seed, kept, values.trace);
  for (const name of ['steps', 'tickets', 'sessions'] as const) sum[name] += result[name];
  if (values.trace) print(result.trace.join('\n'));
  if (values.twice && (await simulate(seed, kept)).digest !== result.digest) {
    sum.different += 1;
    print(`seed ${seed} is another run when it is repeated`);
  }
  if (result.violations.length === 0) continue;
  sum.failed += 1;
  const { actions, violations } = await shrink(result, kept, simulate);
  print(`seed ${seed} fails:`);
  for (const violation of violations.slice(0, 5)) print(`  ${violation}`);
  print(`  with ${actions.length} of ${result.actions.length} actions:`);
  for (const index of actions) print(`  ${index}: ${JSON.stringify(result.actions[index])}`);
  const byPlanted = planted === undefined ? '' : ` --planted ${planted.name}`;
  print(`  npm run simulate -- --seed ${seed} --actions ${actions.join() || "''"} --trace${byPlanted}`);
  if (values.first) break;
}
const { failed, different, steps, tickets, sessions } = sum;
const runs = Math.min(seed, first + Number(values.seeds) - 1) - first + 1;
print(
  `${runs} runs: ${failed} failed, ${different} differ when repeated, ${steps} steps, ${tickets} tickets, ${sessions} sessions`,
);
process.exit(failed + different === 0 ? 0 : 1);
