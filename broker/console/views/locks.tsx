import { useState } from 'preact/hooks';
import { type Action, ActionButton, REASON } from '../action.tsx';
import { ask } from '../api.ts';
import { FieldSet, valuesOf } from '../fields.tsx';
import { type Column, List } from '../list.tsx';
import { navigate, type Query } from '../route.ts';
import type { Lock, Receipt } from '../shapes.ts';
import { useMay } from '../sign-in.tsx';
import { Code, DURATIONS, Moment, ReceiptText, secondsOf } from '../words.tsx';
import { LiveSessions } from './session-actions.tsx';

/** The parts of `<agent>/<instance>`; either may be empty, which names none. */
function instanceOf(name: string): { readonly agent: string; readonly instance: string } {
  const [agent = '', ...rest] = name.split('/');
  return { agent, instance: rest.join('/') };
}

/** Whether a name says what to lock: an agent alone would be counted as all of its instances. */
export const isComplete = (kind: Kind, name: string): boolean =>
  kind === 'everything' ||
  (kind === 'instance' ? Object.values(instanceOf(name)).every(Boolean) : name !== '');

/** Kinds of targets: the effect of a lock, and the filter that finds the live sessions. */
const KINDS = {
  principal: {
    text: 'A principal',
    member: 'id',
    effect:
      'gets no ticket, neither for itself nor as an actor, and may use nothing of the broker’s API but GET /me',
    selector: (name: string) => ({ principal: name }),
  },
  'service-token': {
    text: 'A service token',
    member: 'id',
    effect: 'gets no ticket, neither for itself nor for another principal',
    selector: (name: string) => ({ service_token: name }),
  },
  agent: {
    text: 'An agent',
    member: 'agent',
    effect: 'is closed: nobody gets a ticket for any instance of it',
    selector: (name: string) => ({ agent: name }),
  },
  instance: {
    text: 'An instance of an agent',
    member: 'instance',
    effect: 'is closed: nobody gets a ticket for it',
    selector: instanceOf,
  },
  session: {
    text: 'A session',
    member: 'id',
    effect: 'ends, and its ticket cannot renew it',
    selector: undefined,
  },
  ticket: {
    text: 'A ticket',
    member: 'jti',
    effect: 'opens no session; the session that it opened ends',
    selector: undefined,
  },
  key: {
    text: 'A signing key',
    member: 'kid',
    effect:
      'is not trusted any more: each ticket that it signed is refused, and the sessions of these tickets end',
    selector: undefined,
  },
  callback: {
    text: 'A callback URL',
    member: 'id',
    effect: 'is refused at the gate',
    selector: undefined,
  },
  everything: {
    text: 'Everything',
    member: undefined,
    effect: 'is closed: nobody gets a ticket for any agent. Operators keep their access',
    selector: () => ({}),
  },
} as const;
type Kind = keyof typeof KINDS;
const isKind = (text: string | undefined): text is Kind => text !== undefined && Object.hasOwn(KINDS, text);

type Target = Lock['target'];

function targetOf(kind: Kind, name: string): Target {
  if (kind === 'everything') return { kind };
  if (kind !== 'instance') return { kind, [KINDS[kind].member]: name };
  return { kind, ...instanceOf(name) };
}

/** A target as people read it. */
const nameOf = ({ kind, ...members }: Target): string =>
  Object.values(members).map(String).join(' / ') || kind;

const create = (kind: Kind, name: string): Action<Lock & { readonly receipt: Receipt }> => ({
  title: `Lock ${kind === 'everything' ? 'everything' : `${KINDS[kind].text.toLowerCase()}`}`,
  verb: 'Lock',
  isDestructive: true,
  consequence: <Effect kind={kind} name={name} />,
  undo: 'The lock can be lifted in this list. Sessions that it ended do not come back by themselves.',
  fields: [REASON, { name: 'expires_in', label: 'For', options: DURATIONS }],
  run: ({ reason, expires_in: life }) =>
    ask('POST', '/admin/locks', {
      body: { target: targetOf(kind, name), reason, ...secondsOf('expires_in', life) },
    }),
  done: ({ target, receipt }) => (
    <>
      <p>
        <Code>{nameOf(target)}</Code> is locked.
      </p>
      <ReceiptText receipt={receipt} />
    </>
  ),
});

function Effect({
  kind,
  name,
  version,
}: {
  readonly kind: Kind;
  readonly name: string;
  readonly version?: number | undefined;
}) {
  const { effect, selector } = KINDS[kind];
  return (
    <>
      <p>
        As soon as it is set, <Code>{name || 'everything'}</Code> {effect}. Live sessions of the target are
        closed.
      </p>
      {selector === undefined ? (
        <p class="note">
          The receipt has the number of live sessions: the list of sessions has no filter for this target.
        </p>
      ) : (
        <LiveSessions selector={selector(name)} version={version} />
      )}
    </>
  );
}

const lift = (lock: Lock): Action<{ readonly receipt: Receipt }> => ({
  title: 'Lift this lock',
  verb: 'Lift',
  isDestructive: false,
  consequence: (
    <p>
      As soon as it is lifted, <Code>{nameOf(lock.target)}</Code> is no longer subject to this lock. Other
      locks on it stay.
    </p>
  ),
  undo: 'The target can be locked again at any time.',
  fields: [REASON],
  run: ({ reason }) => ask('DELETE', '/admin/locks/{id}', { params: { id: lock.id }, query: { reason } }),
  done: () => <p>The lock is lifted.</p>,
});

export function Locks({ query }: { readonly query: Query }) {
  const [version, setVersion] = useState(0);
  const mayWrite = useMay()('locks:write');
  const changed = (isDone: boolean): void => {
    setVersion((before) => before + 1);
    // After a failure the same may be tried again.
    if (isDone) navigate('locks');
  };
  const columns: readonly Column<Lock>[] = [
    {
      title: 'Locked',
      cell: ({ target }) => (
        <>
          {target.kind}
          <br />
          <Code>{nameOf(target)}</Code>
        </>
      ),
    },
    { title: 'Reason', cell: ({ reason }) => reason },
    {
      title: 'Since',
      cell: ({ created_at: at, created_by: by }) => (
        <>
          <Moment at={at} />
          <br />
          <span class="note">
            by <Code>{by}</Code>
          </span>
        </>
      ),
    },
    { title: 'Until', cell: ({ expires_at: at }) => (at === null ? 'no\u00a0end' : <Moment at={at} />) },
    ...(mayWrite
      ? [
          {
            title: 'Actions',
            actions: true,
            cell: (lock: Lock) => (
              <ActionButton
                action={() => lift(lock)}
                label="Lift"
                name={`Lift the lock on ${nameOf(lock.target)}`}
                after={changed}
              />
            ),
          },
        ]
      : []),
  ];
  return (
    <>
      {mayWrite && <NewLock query={query} after={changed} />}
      <List
        label="Locks in force"
        load={(asked) => ask('GET', '/admin/locks', asked)}
        columns={columns}
        keyOf={({ id }) => id}
        empty={<p>Nothing is locked.</p>}
        version={version}
      />
    </>
  );
}

/** Names a target, and shows before the lock which sessions the lock would end. */
function NewLock({
  query: { kind, name = '' },
  after,
}: {
  readonly query: Query;
  readonly after: (isDone: boolean) => void;
}) {
  const [asked, setAsked] = useState(0);
  const isGiven = isKind(kind) && (name !== '' || kind === 'everything');
  const isNamed = isGiven && isComplete(kind, name);
  return (
    <details class="filter" open={isGiven} key={`${kind} ${name}`}>
      <summary>Lock something</summary>
      <form
        onSubmit={(event) => {
          event.preventDefault();
          setAsked((before) => before + 1);
          navigate('locks', valuesOf(event.currentTarget));
        }}
      >
        <FieldSet
          isFilter
          fields={[
            {
              name: 'kind',
              label: 'Target',
              options: Object.entries(KINDS).map(([value, { text }]) => [value, text]),
              initial: kind,
            },
            {
              name: 'name',
              label: 'Name',
              hint: 'An id, slug, jti or kid; for an instance <agent>/<instance>; for everything nothing.',
              initial: name,
            },
          ]}
        />
        <div class="actions">
          <button type="submit" class="plain">
            Show the sessions it would end
          </button>
        </div>
      </form>
      {isGiven && !isNamed && (
        <p class="warning" role="alert">
          <Code>{name}</Code> names no instance. Write <Code>{'<agent>/<instance>'}</Code>.
        </p>
      )}
      {isNamed && (
        <div class="consequence">
          <Effect kind={kind} name={name} version={asked} />
          <div class="actions">
            <ActionButton action={() => create(kind, name)} label="Lock …" kind="danger" after={after} />
          </div>
        </div>
      )}
    </details>
  );
}
