import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { DROPS_FILE, partsOf, readCosts, SIZES, simulateDrops, steadyRate } from './model.ts';
import { costRows, daysUntilFull, rateFor } from './prices.ts';
import {
  costsTable,
  daysTable,
  dropsTable,
  hotDaysTable,
  partsTable,
  pricesTable,
  steadyTable,
} from './tables.ts';

/**
 * `npm run capacity -w dev`: prints the tables of the page on capacity, in about a minute. `--json`: prints all figures.
 * `--save`: stores the simulated drops, which the page shows.
 */

const options = {
  json: { type: 'boolean', default: false },
  save: { type: 'boolean', default: false },
} as const;
const { values } = parseArgs({ options });
const costs = readCosts();
const drops = simulateDrops(costs);
if (values.save) await writeFile(DROPS_FILE, `${JSON.stringify(drops, null, 2)}\n`);
if (values.json) {
  const figures = {
    costs,
    prices: costRows(costs),
    parts: partsOf(costs),
    steady: SIZES.map((sockets) => ({ sockets, perSecond: steadyRate(sockets) })),
    drops,
    days: [0.1, 1, 10, 100].map((perSecond) => ({ perSecond, days: daysUntilFull(costs, perSecond) })),
    hotDays: [1, 7, 30].map((days) => ({ days, perSecond: rateFor(costs, days) })),
  };
  console.log(JSON.stringify(figures, null, 2));
} else {
  for (const make of [costsTable, pricesTable, partsTable, steadyTable]) console.log(`${make(costs)}\n`);
  console.log(`${dropsTable(drops)}\n\n${daysTable(costs)}\n\n${hotDaysTable(costs)}`);
}
