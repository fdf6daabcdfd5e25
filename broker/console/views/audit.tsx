import { AUDIT_TYPES } from '@agent-ticket/shared/audit-event.ts';
import { useState } from 'preact/hooks';
import { ask } from '../api.ts';
import { Dialog, useDialog } from '../dialog.tsx';
import { Filter } from '../filter.tsx';
import { type Column, List } from '../list.tsx';
import { useLoaded } from '../load.ts';
import { hrefOf, type Query } from '../route.ts';
import type { AuditEvent, Checkpoint, Page, Readiness } from '../shapes.ts';
import { Age, Code, lengthOf, Moment } from '../words.tsx';
import { Proof } from './proof.tsx';

export const EVENT_COLUMNS: readonly Column<AuditEvent>[] = [
  { title: 'At', cell: ({ at }) => <Moment at={at} /> },
  {
    title: 'Event',
    cell: ({ type, outcome, code }) => (
      <>
        <Code>{type}</Code>{' '}
        {outcome === 'denied' && <span class="state bad">denied{code === null ? '' : `: ${code}`}</span>}
      </>
    ),
  },
  { title: 'Principal', cell: ({ principal }) => (principal === null ? '–' : <Code>{principal}</Code>) },
  {
    title: 'Agent',
    cell: ({ agent, instance }) =>
      agent === null ? (
        '–'
      ) : (
        <Code>
          {agent}
          {instance === null ? '' : ` / ${instance}`}
        </Code>
      ),
  },
  { title: 'Details', actions: true, cell: (event) => <EventButton event={event} /> },
];

function EventButton({ event }: { readonly event: AuditEvent }) {
  const openDialog = useDialog();
  return (
    <button
      type="button"
      class="plain"
      aria-haspopup="dialog"
      aria-label={`Details of event ${event.seq}`}
      onClick={() => openDialog(<EventDialog event={event} />)}
    >
      Details
    </button>
  );
}

function EventDialog({ event }: { readonly event: AuditEvent }) {
  const { details, session_id: session, request_id: request, ...rest } = event;
  const facts = Object.entries({ ...rest, session_id: session, request_id: request });
  return (
    <Dialog title={`Event ${event.seq}`}>
      {(close) => (
        <div class="done">
          <dl>
            {facts.map(([name, value]) =>
              value === null ? null : (
                <>
                  <dt>{name}</dt>
                  <dd>
                    <Code>{String(value)}</Code>
                  </dd>
                </>
              ),
            )}
            {Object.entries(details ?? {}).map(([name, value]) => (
              <>
                <dt>details: {name}</dt>
                <dd>{String(value)}</dd>
              </>
            ))}
          </dl>
          <div class="actions">
            {session !== null && (
              <a class="button plain" href={hrefOf('session', { id: session })} onClick={close}>
                The session
              </a>
            )}
            {request !== null && (
              <a class="button plain" href={hrefOf('audit', { request_id: request })} onClick={close}>
                All events of this request
              </a>
            )}
            <button type="button" class="plain" onClick={close}>
              Close
            </button>
          </div>
        </div>
      )}
    </Dialog>
  );
}

const FIELDS = [
  { name: 'request_id', label: 'Request', hint: 'The id that a refusal shows.' },
  { name: 'principal', label: 'Principal', hint: 'Its id.' },
  { name: 'agent', label: 'Agent' },
  { name: 'instance', label: 'Instance', hint: 'Of that agent.' },
  { name: 'type', label: 'Type', known: AUDIT_TYPES, hint: 'Such as ticket.denied.' },
  {
    name: 'outcome',
    label: 'Outcome',
    options: [
      ['', 'Both'],
      ['denied', 'Denied'],
      ['success', 'Success'],
    ],
  },
  { name: 'code', label: 'Code', hint: 'Of a denial, such as grant_missing.' },
  { name: 'jti', label: 'Ticket', hint: 'Its jti.' },
  { name: 'session_id', label: 'Session' },
  { name: 'from', label: 'From', type: 'datetime-local' },
  { name: 'to', label: 'To', type: 'datetime-local' },
] as const;

export function Audit({ query }: { readonly query: Query }) {
  const [newest, setNewest] = useState<number>();
  return (
    <>
      <Seal />
      <Proof newest={newest} />
      <Filter view="audit" query={query} fields={FIELDS} />
      <List<AuditEvent>
        label="Audit events, newest first"
        query={query}
        load={async (asked) => {
          const answer = await ask('GET', '/admin/agents/audit', asked);
          if (answer.ok) setNewest((before) => Math.max(before ?? 0, answer.value.items[0]?.seq ?? 0));
          return answer;
        }}
        columns={EVENT_COLUMNS}
        keyOf={({ event_id: id }) => id}
        empty={<p>The log has no such event. An event arrives a moment after its cause.</p>}
      />
    </>
  );
}

const SEAL_EVERY_MS = 30_000;
/** Seconds; the log is sealed each minute. */
const LATE_SEAL = 120;

/** How far the log is signed. */
function Seal() {
  const ready = useLoaded<Readiness>('ready', (signal) => ask('GET', '/readyz', { signal }), SEAL_EVERY_MS);
  const newest = useLoaded<Page<Checkpoint>>('checkpoint', (signal) =>
    ask('GET', '/admin/agents/audit/checkpoints', { query: { limit: 1 }, signal }),
  );
  const age = ready.value?.checkpoint_age;
  const [checkpoint] = newest.value?.items ?? [];
  if (newest.value === undefined) return null;
  const isLate = typeof age === 'number' && age > LATE_SEAL;
  return (
    <p>
      {checkpoint === undefined ? (
        <span class="state past">The log is not sealed yet. The broker seals it once a minute.</span>
      ) : (
        <span class={`state ${isLate ? 'bad' : 'good'}`}>
          {isLate ? 'The seal is late' : 'Sealed'} through event {checkpoint.through.toLocaleString('en-GB')},
          by checkpoint {checkpoint.n}, <Age at={checkpoint.at} />
          {isLate && `: the last one was made ${lengthOf(age)} ago, and one is due each minute`}.
        </span>
      )}
    </p>
  );
}
