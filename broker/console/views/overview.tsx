import { LATE_DELIVERY_SECONDS, LATE_SEAL_SECONDS } from '@agent-ticket/shared/limits.ts';
import { ask } from '../api.ts';
import { Bars } from '../bars.tsx';
import { Fault } from '../fault.tsx';
import { useLoaded } from '../load.ts';
import { hrefOf, type Query } from '../route.ts';
import type { Page, Readiness, SigningKey, StatsPoint } from '../shapes.ts';
import { useMay } from '../sign-in.tsx';
import { Age, Code, counted, lengthOf, timeOfDay } from '../words.tsx';

const READY_EVERY_MS = 5000;
/** One request counts as fifteen calls of the limit. */
const STATS_EVERY_MS = 60_000;

export function Overview({ query }: { readonly query: Query }) {
  const may = useMay();
  return (
    <>
      <Health />
      {may('audit:read') && <OverTime step={query.step ?? 'minute'} />}
    </>
  );
}

interface Sign {
  readonly name: string;
  readonly value: string;
  readonly isWell: boolean;
  /** What to do where it is not well. */
  readonly next: string;
}

/** Unknown values are left out. */
function signsOf(ready: Readiness): readonly Sign[] {
  const sign = (name: string, value: string | undefined, isWell: boolean, next = ''): readonly Sign[] =>
    value === undefined ? [] : [{ name, value, isWell, next }];
  const known = (value: number | null | undefined): string | undefined =>
    value === undefined || value === null ? undefined : value.toLocaleString('en-GB');
  const seconds = (value: number | null | undefined): string | undefined =>
    value === undefined || value === null ? undefined : lengthOf(value);
  const {
    checkpoint_age: seal,
    waiting_age: age,
    workers_unanswered: silent,
    workers_differing: differing,
  } = ready;
  return [
    ...sign(
      'Tickets',
      ready.mint ? 'can be minted' : 'cannot be minted',
      ready.mint,
      'Check the control database and the keys.',
    ),
    ...sign(
      'Keys for verifiers',
      ready.verify ? 'are published' : 'are not published',
      ready.verify,
      'Check the setting KEK.',
    ),
    ...sign(
      'Record database',
      ready.record ? 'answers' : 'does not answer, or is behind',
      ready.record,
      'No event is lost: events wait until it answers.',
    ),
    ...sign(
      'Last seal of the audit log',
      seal === undefined || seal === null ? undefined : `${lengthOf(seal)} ago`,
      (seal ?? 0) <= LATE_SEAL_SECONDS,
      'One is due each minute: does the cron trigger run?',
    ),
    ...sign('Audit events that wait', known(ready.events_waiting), true),
    ...sign('Changes that wait', known(ready.changes_waiting), true),
    ...sign(
      'Events that wait in agents',
      known(ready.agent_events_waiting),
      (ready.agent_events_waiting ?? 0) === 0,
      'The record database has not stored them yet.',
    ),
    ...sign(
      'Age of the oldest that waits',
      seconds(age),
      (age ?? 0) <= LATE_DELIVERY_SECONDS,
      'The record database has not stored it yet.',
    ),
    ...sign(
      'Agent workers that do not answer',
      known(silent),
      (silent ?? 0) === 0,
      'The log names them: control_unanswered.',
    ),
    ...sign(
      'Agent workers with another registry',
      known(differing),
      (differing ?? 0) === 0,
      'Deploy them as well. The log names them: registry_differs.',
    ),
    ...sign(
      'Agents in rollout',
      known(ready.agents_in_rollout),
      ready.agents_in_rollout === 0,
      'They admit callers whom the rules refuse.',
    ),
    ...sign(
      'Issuers without a usable key',
      ready.key_sets_unusable.join(', ') || undefined,
      false,
      'Their tokens are refused.',
    ),
  ];
}

function Health() {
  const may = useMay();
  const { value, failure, at, reload } = useLoaded<Readiness>(
    'ready',
    (signal) => ask('GET', '/readyz', { signal, accepts: [503] }),
    READY_EVERY_MS,
  );
  const signs = value === undefined ? [] : signsOf(value);
  const faults = signs.filter(({ isWell }) => !isWell);
  return (
    <section>
      <h2>Health</h2>
      {failure !== undefined && <Fault failure={failure} retry={reload} />}
      {value === undefined && failure === undefined && <p class="note">Loading …</p>}
      {value !== undefined && (
        <>
          <p aria-live="polite">
            <span class={`state ${faults.length === 0 ? 'good' : 'bad'}`}>
              {faults.length === 0 ? 'All is well' : `${counted(faults.length, 'problem')} found`}
            </span>
            {at !== undefined && <span class="note"> Live, as of {timeOfDay(at)}</span>}
          </p>
          <dl class="signs">
            {signs.map(({ name, value: text, isWell, next }) => (
              <>
                <dt>{name}</dt>
                <dd>
                  {isWell ? text : <span class="state bad">{text}</span>}
                  {!isWell && <span class="note"> {next}</span>}
                </dd>
              </>
            ))}
            {may('keys:read') && <ActiveKey />}
          </dl>
        </>
      )}
    </section>
  );
}

function ActiveKey() {
  const { value } = useLoaded<Page<SigningKey>>(
    'keys',
    (signal) => ask('GET', '/admin/keys', { signal }),
    STATS_EVERY_MS,
  );
  const active = value?.items.find(({ state }) => state === 'active');
  const pending = value?.items.find(({ state }) => state === 'pending');
  if (value === undefined) return null;
  return (
    <>
      <dt>Signing key</dt>
      <dd>
        {active === undefined ? (
          <span class="state bad">no key signs</span>
        ) : (
          <>
            <a href={hrefOf('keys')}>
              <Code>{active.kid.slice(0, 12)}…</Code>
            </a>{' '}
            began to sign <Age at={active.activates_at} />
          </>
        )}
        {pending !== undefined && (
          <>
            , the next one <Age at={pending.activates_at} />
          </>
        )}
      </dd>
    </>
  );
}

const STEPS = [
  ['minute', 'Last hour'],
  ['hour', 'Last day'],
  ['day', 'Last two weeks'],
] as const;

function OverTime({ step }: { readonly step: string }) {
  const { value, failure, at, reload } = useLoaded(
    step,
    (signal) => ask('GET', '/admin/stats', { query: { step }, signal }),
    STATS_EVERY_MS,
  );
  const items = value?.items ?? [];
  return (
    <section>
      <h2>Over time</h2>
      <nav class="tabs" aria-label="Length of time">
        {STEPS.map(([name, text]) => (
          <a
            class="tab"
            key={name}
            href={hrefOf('overview', { step: name })}
            aria-current={name === step ? 'page' : undefined}
          >
            {text}
          </a>
        ))}
      </nav>
      {failure !== undefined && <Fault failure={failure} retry={reload} />}
      {value === undefined && failure === undefined && <p class="note">Counting …</p>}
      {value !== undefined && (
        <>
          <div class="pictures">
            <Bars
              title="Live sessions"
              about={`${items.at(-1)?.sessions.live ?? 0} now`}
              points={items.map(({ at, sessions }) => ({ at, values: [sessions.live] }))}
              series={[{ name: 'live', kind: 'good' }]}
            />
            <Bars
              title="Tickets"
              about={`${total(items, ({ tickets }) => tickets.issued)} issued, ${total(items, ({ tickets }) => tickets.denied)} denied`}
              points={items.map(({ at, tickets }) => ({ at, values: [tickets.issued, tickets.denied] }))}
              series={[
                { name: 'issued', kind: 'good' },
                { name: 'denied', kind: 'bad' },
              ]}
            />
            <Bars
              title="Refusals"
              about={`${total(items, refusalsOf)} in the audit log`}
              points={items.map((point) => ({ at: point.at, values: [refusalsOf(point)] }))}
              series={[{ name: 'refused', kind: 'bad' }]}
            />
          </div>
          <Refusals items={items} />
          {at !== undefined && <p class="note">As of {timeOfDay(at)}, counted again each minute.</p>}
        </>
      )}
    </section>
  );
}

const refusalsOf = ({ refusals }: StatsPoint): number => refusals.reduce((sum, { count }) => sum + count, 0);
const total = (items: readonly StatsPoint[], of: (point: StatsPoint) => number): string =>
  items.reduce((sum, point) => sum + of(point), 0).toLocaleString('en-GB');

const MOST_CODES = 10;

/** The most frequent refusals of the whole time, each with a link into the audit log. */
function Refusals({ items }: { readonly items: readonly StatsPoint[] }) {
  const counts = new Map<
    string,
    { readonly code: string | null; readonly agent: string | null; count: number }
  >();
  for (const { code, agent, count } of items.flatMap(({ refusals }) => refusals)) {
    const key = JSON.stringify([code, agent]);
    counts.set(key, { code, agent, count: (counts.get(key)?.count ?? 0) + count });
  }
  const sorted = [...counts.values()].sort((one, other) => other.count - one.count).slice(0, MOST_CODES);
  if (sorted.length === 0) return null;
  return (
    <table aria-label="The most frequent refusals">
      <thead>
        <tr>
          <th scope="col">Refused for</th>
          <th scope="col">Agent</th>
          <th scope="col">Times</th>
        </tr>
      </thead>
      <tbody>
        {sorted.map(({ code, agent, count }) => (
          <tr key={`${code} ${agent}`}>
            <td data-title="Refused for">
              <a href={hrefOf('audit', { outcome: 'denied', code, agent })}>{code ?? 'no code'}</a>
            </td>
            <td data-title="Agent">{agent ?? '–'}</td>
            <td data-title="Times">{count.toLocaleString('en-GB')}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
