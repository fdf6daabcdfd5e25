import { type Asked, ask, type Outcome } from '../api.ts';
import { Fault } from '../fault.tsx';
import { type Column, List, rowsOfPage } from '../list.tsx';
import { useLoaded } from '../load.ts';
import { hrefOf, type Query } from '../route.ts';
import type { AuditEvent, Invocation, LabelledSession, Page } from '../shapes.ts';
import { useMay } from '../sign-in.tsx';
import { type Span, TimeLine } from '../time-line.tsx';
import { Age, Code, lengthOf, Moment } from '../words.tsx';
import { EVENT_COLUMNS } from './audit.tsx';
import { EndButton } from './session-actions.tsx';

const LIVE_EVERY_MS = 2000;

const CALLS: readonly Column<Invocation>[] = [
  { title: 'Began', cell: ({ started_at: at }) => <Moment at={at} /> },
  { title: 'Method', cell: ({ method }) => <Code>{method}</Code> },
  { title: 'Took', cell: ({ duration_ms: ms }) => `${ms.toLocaleString('en-GB')} ms` },
  {
    title: 'Outcome',
    cell: ({ outcome, code }) => (
      <span class={`state ${outcome === 'success' ? 'good' : 'bad'}`}>
        {outcome}
        {code === null ? '' : `: ${code}`}
      </span>
    ),
  },
];

export function SessionView({ query: { id = '' } }: { readonly query: Query }) {
  const may = useMay();
  const { value, failure, at, reload } = useLoaded(
    id,
    (signal) =>
      ask('GET', '/admin/agents/sessions/{id}', { params: { id }, query: { limit: rowsOfPage() }, signal }),
    LIVE_EVERY_MS,
    undefined,
    ({ ended_at: end }) => end !== null,
  );
  // Each look at events is one: none for a session that is not there.
  const mayAsk = value !== undefined && may('audit:read');
  const events = useLoaded<Page<AuditEvent>>(mayAsk ? id : undefined, (signal) =>
    ask('GET', '/admin/agents/audit', { query: { session_id: id, limit: rowsOfPage() }, signal }),
  );
  if (value === undefined)
    return failure === undefined ? <p class="note">Loading …</p> : <Fault failure={failure} retry={reload} />;
  const changed = (): void => {
    reload();
    events.reload();
  };
  const calls = async (asked: Asked): Promise<Outcome<Page<Invocation>>> => {
    const answer = await ask('GET', '/admin/agents/sessions/{id}', { ...asked, params: { id } });
    return answer.ok ? { ...answer, value: answer.value.invocations } : answer;
  };
  return (
    <>
      {failure !== undefined && <Fault failure={failure} retry={reload} />}
      <Facts session={value} />
      <div class="actions">
        {may('sessions:terminate') && value.ended_at === null && (
          <EndButton session={value} after={changed} />
        )}
        {may('locks:write') && (
          <a class="button plain" href={hrefOf('locks', { kind: 'principal', name: value.principal })}>
            Lock this principal
          </a>
        )}
        <a class="button plain" href={hrefOf('sessions', { person: value.principal, when: 'all' })}>
          Other sessions of this principal
        </a>
      </div>
      <section>
        <h2>Over time</h2>
        <Course session={value} events={events.value} />
      </section>
      <section>
        <h2>Calls</h2>
        <List
          label="Calls"
          key={id}
          first={{ value: value.invocations, failure: undefined, at, reload }}
          load={calls}
          columns={CALLS}
          keyOf={(call) => call.id}
          empty={<p>The session has made no call. Messages without a method are not recorded.</p>}
          {...(value.ended_at === null && { everyMs: LIVE_EVERY_MS })}
        />
      </section>
      {may('audit:read') && (
        <section>
          <h2>Events</h2>
          <List
            label="Events of this session"
            key={id}
            first={events}
            load={(asked) => ask('GET', '/admin/agents/audit', asked)}
            query={{ session_id: id }}
            columns={EVENT_COLUMNS}
            keyOf={(event) => event.event_id}
            empty={<p>The log has no event of this session. Its first event may not have arrived yet.</p>}
          />
        </section>
      )}
    </>
  );
}

function Facts({ session }: { readonly session: LabelledSession }) {
  const {
    principal,
    principal_label: label,
    agent,
    instance,
    role,
    scope,
    started_at: start,
    ended_at: end,
  } = session;
  return (
    <dl>
      <dt>State</dt>
      <dd>
        {end === null ? (
          <span class="state good">live</span>
        ) : (
          <span class="state past">ended: {session.end_reason ?? 'no reason known'}</span>
        )}
      </dd>
      <dt>Person</dt>
      <dd>
        {label !== null && <>{label} </>}
        <Code>{principal}</Code>
      </dd>
      <dt>Agent</dt>
      <dd>
        <Code>
          {agent} / {instance}
        </Code>
      </dd>
      <dt>Rights</dt>
      <dd>
        {role}: <Code>{scope}</Code>
      </dd>
      <dt>Began</dt>
      <dd>
        <Moment at={start} /> (<Age at={start} />)
      </dd>
      {end !== null && (
        <>
          <dt>Ended</dt>
          <dd>
            <Moment at={end} />, after {lengthOf((Date.parse(end) - Date.parse(start)) / 1000)}
          </dd>
        </>
      )}
      <dt>From</dt>
      <dd>
        {session.ip_address ?? 'an unknown address'}
        {session.user_agent !== null && <span class="note"> {session.user_agent}</span>}
      </dd>
      <dt>Ticket</dt>
      <dd>
        <Code>{session.jti}</Code>
      </dd>
    </dl>
  );
}

/** The session as one bar, with a mark for each call and event. */
function Course({
  session,
  events,
}: {
  readonly session: LabelledSession & { readonly invocations: Page<Invocation> };
  readonly events: Page<AuditEvent> | undefined;
}) {
  const { started_at: start, ended_at: end, invocations } = session;
  const marks = [
    ...(events?.items ?? []).map((event) => ({
      at: Date.parse(event.at),
      isBad: event.outcome === 'denied',
      text: event.type,
    })),
    ...invocations.items.map((call) => ({
      at: Date.parse(call.started_at),
      isBad: call.outcome !== 'success',
      text: `${call.method}: ${call.outcome}`,
    })),
  ];
  const spans: readonly Span[] = [
    {
      name: 'session',
      from: Date.parse(start),
      to: end === null ? undefined : Date.parse(end),
      kind: end === null ? 'good' : 'past',
      text: end === null ? 'live' : 'ended',
      marks,
    },
  ];
  const hasMore = [invocations, events].some((page) => typeof page?.next_cursor === 'string');
  return (
    <>
      <TimeLine label="The session over time" spans={spans} />
      {hasMore && (
        <p class="note">The newest calls and events have a mark: those of the first pages below.</p>
      )}
    </>
  );
}
