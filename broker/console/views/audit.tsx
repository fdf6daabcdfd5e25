import { AUDIT_TYPES } from '@agent-ticket/shared/audit-event.ts';
import { LATE_SEAL_SECONDS } from '@agent-ticket/shared/limits.ts';
import { ask, type Outcome } from '../api.ts';
import { Dialog, useDialog } from '../dialog.tsx';
import { Fault } from '../fault.tsx';
import { Filter, knownFilters } from '../filter.tsx';
import { type Column, List } from '../list.tsx';
import { type Loaded, useLoaded } from '../load.ts';
import { hrefOf, type Query } from '../route.ts';
import type { AuditEvent, Checkpoint } from '../shapes.ts';
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

export function Audit({ query: given }: { readonly query: Query }) {
  const query = knownFilters(FIELDS, given);
  const seal = useLoaded('seal', loadSeal, SEAL_EVERY_MS);
  return (
    <>
      <SealLine seal={seal} />
      <Proof newest={seal.value?.checkpoint?.through} />
      <Filter view="audit" query={given} fields={FIELDS} />
      <List<AuditEvent>
        label="Audit events, newest first"
        query={query}
        load={(asked) => ask('GET', '/admin/agents/audit', asked)}
        columns={EVENT_COLUMNS}
        keyOf={({ event_id: id }) => id}
        empty={
          <p>
            The log has no such event. An event arrives a moment after its cause; older ones may be in the
            archive, which the export reads.
          </p>
        }
      />
    </>
  );
}

/** A seal is due so often. Each look at it is an event of the log. */
const SEAL_EVERY_MS = 60_000;

/** How far the log is signed. */
interface Seal {
  /** The newest one, where there is any. */
  readonly checkpoint: Checkpoint | undefined;
  /** Seconds, by the broker's clock; `undefined` where the broker does not know it now. */
  readonly age: number | undefined;
}

async function loadSeal(signal: AbortSignal): Promise<Outcome<Seal>> {
  const ready = await ask('GET', '/readyz', { signal, accepts: [503] });
  if (!ready.ok) return ready;
  const query = { limit: 1 };
  const newest = await ask('GET', '/admin/agents/audit/checkpoints', { query, signal });
  if (!newest.ok) return newest;
  const [checkpoint] = newest.value.items;
  return { ...newest, value: { checkpoint, age: ready.value.checkpoint_age ?? undefined } };
}

function SealLine({ seal: { value, failure, reload } }: { readonly seal: Loaded<Seal> }) {
  return (
    <>
      {failure !== undefined && <Fault failure={failure} retry={reload} />}
      {value !== undefined && <p>{sealText(value, failure === undefined)}</p>}
    </>
  );
}

function sealText({ checkpoint, age }: Seal, isPresent: boolean) {
  if (checkpoint === undefined)
    return <span class="state past">The log is not sealed yet. The broker seals it once a minute.</span>;
  const isKnown = isPresent && age !== undefined;
  const isLate = age !== undefined && age > LATE_SEAL_SECONDS;
  return (
    <span class={`state ${isLate ? 'bad' : isKnown ? 'good' : 'past'}`}>
      {isLate ? 'The seal is late: sealed' : 'Sealed'} through event{' '}
      {checkpoint.through.toLocaleString('en-GB')}, by checkpoint {checkpoint.n}, <Age at={checkpoint.at} />
      {isLate && `: the last one was made ${lengthOf(age)} ago, and one is due each minute`}
      {!isLate && !isKnown && '; whether a later one is missing is not known now'}.
    </span>
  );
}
