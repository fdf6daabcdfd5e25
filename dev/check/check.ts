import '../require-node.ts';
import { CHECKS } from './checks.ts';
import { checkReport, type Outcome, summary } from './report.ts';
import { readRepository } from './repository.ts';

/** `npm run check [-- <name>…]`: runs all checks, or the named ones, to the end, and fails when one failed. */
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !Object.hasOwn(CHECKS, name));
if (unknown.length > 0) {
  process.stderr.write(`no check ${unknown.join(', ')}; there are ${Object.keys(CHECKS).join(', ')}\n`);
  process.exit(2);
}

const coloured = process.stdout.isTTY && !process.env.NO_COLOR;
const files = await readRepository().catch((error: Error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});
const outcomes: Outcome[] = [];

for (const [name, check] of Object.entries(CHECKS)) {
  if (wanted.length > 0 && !wanted.includes(name)) continue;
  const outcome = await check(files).catch(brokenCheck);
  outcomes.push(outcome);
  process.stdout.write(`${checkReport(name, outcome, coloured)}\n`);
}

process.stdout.write(`\n${summary(outcomes)}\n`);
if (outcomes.some(({ passed }) => !passed)) process.exitCode = 1;

/** A check that breaks has proved nothing. */
function brokenCheck(error: unknown): Outcome {
  return { passed: false, output: error instanceof Error ? error.message : String(error) };
}
