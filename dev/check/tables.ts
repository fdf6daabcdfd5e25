import { readFileSync } from 'node:fs';
import {
  FAILED_CREDENTIALS_LIMIT,
  INSTANCE_WINDOW_MS,
  RATE_WINDOW_MS,
} from '@agent-ticket/broker/src/http/rate.ts';
import { INSTANCE_LIMITS, RATE_LIMITS } from '@agent-ticket/broker/src/mint/shard.ts';
import { ROUTES } from '@agent-ticket/broker/src/resources/routes.ts';
import { COSTS, type Limit, type Route } from '@agent-ticket/broker/src/runtime/call.ts';
import { SIGN_IN_LIMIT } from '@agent-ticket/broker/src/sign-in/callback.ts';
import { CLOSES, DENIALS, ERROR_CODES } from '@agent-ticket/shared/denial.ts';
import * as sharedLimits from '@agent-ticket/shared/limits.ts';
import { ROLES, TIERS } from '@agent-ticket/shared/names.ts';
import { roleScopes } from '@agent-ticket/shared/registry.ts';
import { TicketClaims } from '@agent-ticket/shared/ticket.ts';
import { EXIT_CODES } from 'agent-ticket/src/command.ts';
import { PEOPLE } from 'agent-ticket/src/identity-provider/people.ts';
import { CONFORMANCE } from 'agent-ticket/src/probe/conformance.ts';
import { commandReference } from 'agent-ticket/src/reference.ts';
import { AGENTS } from '../../agents.ts';
import { boundTexts, spreadText } from '../bench/report.ts';
import { readStored } from '../bench/stored.ts';
import { readCosts, readDrops } from '../capacity/model.ts';
import {
  costsTable,
  daysTable,
  dropsTable,
  hotDaysTable,
  partsTable,
  pricesTable,
  steadyTable,
} from '../capacity/tables.ts';
import { CLAUSE_TABLES } from '../clauses/render.ts';
import { licencesOf, readLockfile } from '../pack/licences.ts';
import { Mutation } from '../mutants/mutant.ts';
import { MUTANTS } from '../mutants/rows.ts';
import { Proof, proofTable } from '../proof/proof.ts';
import { SUITES } from '../proof/suites.ts';
import { ROOT } from '../quiet-environment.ts';
import { auditTypes, claimLimits, exposure, keyStates, metrics, policyRules } from './described-tables.ts';
import { code, table } from './markdown.ts';
import { agentWorkerSettings, brokerSettings, nodeSettings } from './settings-tables.ts';
import { SOURCE_TABLES } from './source-tables.ts';

const scopesPerAgent = (): string =>
  table(
    ['agent', 'access', ...ROLES],
    AGENTS.map((entry) => [
      entry.enabled ? code(entry.slug) : `${code(entry.slug)} (not enabled)`,
      code(entry.access),
      ...ROLES.map((role) => roleScopes(entry, role).map(code).join(' ')),
    ]),
  );

const claims = (): string =>
  table(
    ['claim', 'present'],
    Object.entries(TicketClaims.shape).map(([name, schema]) => [
      code(name),
      schema.safeParse(undefined).success ? 'where it applies' : 'always',
    ]),
  );

const errors = (): string =>
  table(
    ['code', 'status', 'message'],
    Object.entries(ERROR_CODES).map(([name, { status, message }]) => [code(name), status, message]),
  );

const closes = (): string =>
  table(
    ['close code', 'reason', 'what the stock client does'],
    Object.entries(CLOSES).map(([reason, { code: close, client }]) => [close, code(reason), client]),
  );

const denials = (): string =>
  table(
    ['reason in log and audit', 'code outside', 'close code', 'close reason'],
    Object.entries(DENIALS).map(([reason, { code: outside, close }]) => [
      code(reason),
      code(outside),
      CLOSES[close].code,
      code(close),
    ]),
  );

const limits = (): string =>
  table(
    ['limit', 'value'],
    Object.entries(sharedLimits).flatMap(([name, value]) => limitRows(name, value)),
  );

/** `KEY_SET: { freshMs: 1 }` → `KEY_SET.freshMs`, 1. Functions are not limits. */
function limitRows(name: string, value: unknown): (readonly [string, number])[] {
  if (typeof value === 'number') return [[code(name), value]];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([part, inner]) => limitRows(`${name}.${part}`, inner));
}

const rateLimits = (): string =>
  table(
    [
      'who',
      `tickets in ${RATE_WINDOW_MS / 1000} s`,
      `instance names in ${INSTANCE_WINDOW_MS / 1000} s`,
      `units of other calls in ${RATE_WINDOW_MS / 1000} s`,
    ],
    (['anonymous', ...TIERS] as const).map((who) => {
      const counts = [RATE_LIMITS[who], INSTANCE_LIMITS[who], RATE_LIMITS[who]];
      return who === 'anonymous'
        ? ['callers without a credential, by address', ...counts.map((limit) => `${limit} together`)]
        : [`tier ${who}`, ...counts.map((limit) => limit ?? 'not counted')];
    }),
  );

/** What counts, and how much, at each route. */
const routeLimits = (): string =>
  table(
    ['method', 'path', 'counts'],
    ROUTES.map((route) => [route.method, code(route.path), limitOf(route.limit)]),
  );

function limitOf(rule: Limit): string {
  switch (rule.counts) {
    case 'requests':
      return `${COSTS[rule.cost] === 1 ? '1 unit' : `${COSTS[rule.cost]} units`}${
        rule.exempt === undefined ? '' : `; not counted: callers with \`${rule.exempt}\``
      }`;
    case 'sign-ins':
      return `sign-ins that were begun in the browser, ${SIGN_IN_LIMIT} by address`;
    case 'tickets':
      return rule.isBatch === true ? '1 ticket for each request in it' : '1 ticket';
    case 'failures':
      return `failures, ${FAILED_CREDENTIALS_LIMIT} by address, together with every failed credential`;
    case 'nothing':
      return `not counted: ${rule.reason}`;
  }
}

/** The people as whom one can sign in on a developer's machine. */
const people = (): string =>
  table(
    ['person', 'address', 'on every counter', 'in the console'],
    PEOPLE.map(({ name, email, seededRole, operates }) => [
      name,
      code(email),
      seededRole ?? 'viewer, as every principal',
      operates === undefined ? '' : operates === 'all' ? 'every permission' : 'reads only',
    ]),
  );

const WHO: Readonly<Record<Route['auth'], string>> = {
  none: 'everybody',
  optional: 'everybody, or any credential',
  required: 'any credential',
};

/** Every route of the broker with the credential and permission that it requires. Handlers have finer rules. */
const routes = (): string =>
  table(
    ['method', 'path', 'who', 'permission'],
    ROUTES.map(({ method, path, auth, permission }) => [
      method,
      code(path),
      WHO[auth],
      permission === undefined ? '' : code(permission),
    ]),
  );

const exitCodes = (): string =>
  table(
    ['exit code', 'meaning'],
    Object.entries(EXIT_CODES).map(([exit, meaning]) => [exit, meaning]),
  );

/** The stored result of the bench: a line for each row and floor. */
function benchResults(): string {
  const { measuredAt, on, results } = readStored(`${ROOT}dev/bench/baseline.json`);
  const where = `Measured on ${measuredAt.slice(0, 10)} at commit ${on.commit}: Node ${on.node}, ${on.cores} shared cores (${on.cpu}) at a load of ${on.load}, ${on.memoryGigabytes} GB.`;
  const rows = results.flatMap(({ name, unit, figure, bounds, floors, rounds }) => {
    const ours = [code(name), rounds, spreadText(figure, unit)];
    if (floors.length === 0) return [[...ours, '', '', ...boundTexts(bounds, unit)]];
    return floors.map((floor) => [
      ...ours,
      `${spreadText(floor.figure, unit)}, ${floor.trips === 'none' ? 'no trips' : 'with trips'}`,
      spreadText(floor.ratio, ''),
      ...boundTexts(floor.bounds, ''),
    ]);
  });
  return `${where}\n\n${table(['row', 'rounds', 'ours', 'floor', 'ratio', 'goal', 'limit'], rows)}`;
}

/** What the conformance kit tries, and where that is required. */
const conformanceChecks = (): string =>
  table(
    ['group', 'check', 'required by'],
    Object.entries(CONFORMANCE).flatMap(([group, checks]) =>
      checks.map(({ name, clause }) => [code(group), name, clause]),
    ),
  );

const licences = (): string =>
  table(
    ['licence', 'packages'],
    licencesOf(readLockfile()).map(([licence, names]) => [licence, names.join(', ')]),
  );

/** The stored result of the proof. */
function proof(): string {
  const last = Proof.parse(JSON.parse(readFileSync(`${ROOT}dev/proof/last.json`, 'utf8')));
  const run = `${last.suites.length} of ${SUITES.length} suites, run on ${last.at.slice(0, 10)} at commit ${last.commit}.`;
  return `${run}\n\n${proofTable(last)}`;
}

/** The stored result of the mutants, and those whose row says why no test fails. */
function mutants(): string {
  const last = Mutation.parse(JSON.parse(readFileSync(`${ROOT}dev/mutants/last.json`, 'utf8')));
  const { killed, named, survived } = last;
  const run = `${killed + named + survived} mutants, run on ${last.at.slice(0, 10)}: ${killed} killed, ${named} survived with a reason, ${survived} without.`;
  const rows = MUTANTS.flatMap(({ file, original, replacement, survives }) =>
    survives === undefined
      ? []
      : [
          [
            code(file),
            code(original.trim().replaceAll(/\s+/g, ' ')),
            code(replacement.trim().replaceAll(/\s+/g, ' ')),
            survives,
          ],
        ],
  );
  return `${run}\n\n${table(['file', 'original', 'mutant', 'why it survives'], rows)}`;
}

/** Generators of the content between `<!-- generated: NAME -->` and `<!-- end generated -->`. */
export const GENERATORS: Readonly<Record<string, () => string>> = {
  errors,
  closes,
  denials,
  limits,
  'scopes-per-agent': scopesPerAgent,
  claims,
  'audit-types': auditTypes,
  metrics,
  'key-states': keyStates,
  'rate-limits': rateLimits,
  'route-limits': routeLimits,
  'policy-rules': policyRules,
  'claim-limits': claimLimits,
  exposure,
  routes,
  people,
  'cli-exit-codes': exitCodes,
  'cli-commands': commandReference,
  'settings-broker': brokerSettings,
  'settings-node': nodeSettings,
  'settings-agent-worker': agentWorkerSettings,
  'bench-results': benchResults,
  'capacity-costs': () => costsTable(readCosts()),
  'capacity-prices': () => pricesTable(readCosts()),
  'capacity-parts': () => partsTable(readCosts()),
  'capacity-steady': () => steadyTable(readCosts()),
  'capacity-drops': () => dropsTable(readDrops()),
  'capacity-days': () => daysTable(readCosts()),
  'capacity-hot-days': () => hotDaysTable(readCosts()),
  ...SOURCE_TABLES,
  'conformance-checks': conformanceChecks,
  ...CLAUSE_TABLES,
  licences,
  mutants,
  proof,
};
