import { type Action, ActionButton, REASON } from '../action.tsx';
import { ask } from '../api.ts';
import { Fault } from '../fault.tsx';
import type { Field } from '../fields.tsx';
import { useLoaded } from '../load.ts';
import type { Query } from '../route.ts';
import type { LabelledSession, Page, Receipt } from '../shapes.ts';
import { Code, counted, ReceiptText, timeOfDay } from '../words.tsx';

const MOST_COUNTED = 200;

/** The live sessions that a selector names, before they are ended. Another `version` counts them again. */
export function LiveSessions({
  selector,
  version,
}: {
  readonly selector: Query;
  readonly version?: number | undefined;
}) {
  const { value, failure, at } = useLoaded<Page<LabelledSession>>(
    JSON.stringify(selector),
    (signal) =>
      ask('GET', '/admin/agents/sessions', {
        query: { ...selector, active: true, limit: MOST_COUNTED },
        signal,
      }),
    undefined,
    version,
  );
  if (failure !== undefined) return <Fault failure={failure} />;
  if (value === undefined) return <p class="note">Counting the live sessions …</p>;
  const { length } = value.items;
  const people = new Set(value.items.map((row) => row.principal_label ?? row.principal));
  return (
    <p>
      That is now <strong>{counted(length, 'live session')}</strong>
      {length === MOST_COUNTED && ' or more'}
      {length > 0 &&
        ` of ${people.size === 1 ? [...people][0] : counted(people.size, 'person').replace('persons', 'people')}`}
      . <span class="note">As of {at === undefined ? 'now' : timeOfDay(at)}.</span>
    </p>
  );
}

interface Ended {
  readonly receipt: Receipt;
}

const NO_BAN =
  'An ended session cannot be brought back. This is not a ban: with a new ticket the same person may connect again. A lock prevents that.';

/** For a stolen cookie or token: without it, its holder connects again. */
const SIGN_OUT: Field = {
  name: 'sign_out',
  label: 'Sign-ins and tokens of the person',
  options: [
    ['', 'stay valid'],
    ['true', 'end too: the person signs in again'],
  ],
  hint: 'End them where a cookie or a token may be in wrong hands.',
};

export function EndButton({
  session,
  after,
}: {
  readonly session: LabelledSession;
  readonly after: () => void;
}) {
  const who = session.principal_label ?? session.principal;
  const where = `${session.agent} / ${session.instance}`;
  const action = (): Action<Ended> => ({
    title: 'End this session',
    verb: 'End session',
    isDestructive: true,
    consequence: (
      <p>
        The connection of <strong>{who}</strong> to <Code>{where}</Code> is closed, and its ticket opens no
        session any more.
      </p>
    ),
    undo: NO_BAN,
    fields: [REASON],
    run: ({ reason }) =>
      ask('DELETE', '/admin/agents/sessions/{id}', { params: { id: session.id }, query: { reason } }),
    done: ({ receipt }) => (
      <>
        <p>The session of {who} has ended.</p>
        <ReceiptText receipt={receipt} />
      </>
    ),
  });
  return (
    <ActionButton
      action={action}
      label="End"
      name={`End the session of ${who} with ${where}`}
      after={after}
    />
  );
}

/** Ends everything that one selector names: a person, a service token, an agent, an instance or an address. */
export function EndAllButton({
  selector,
  label,
  after,
}: {
  readonly selector: Query;
  /** Left out: the name of the action. */
  readonly label?: string;
  readonly after: () => void;
}) {
  const { agent, instance, ip_address: address, ...party } = selector;
  const [person] = Object.values(party);
  const maySignOut = (party.principal ?? party.label)?.startsWith('token:') === false;
  const what = person ?? address ?? (instance === undefined ? agent : `${agent} / ${instance}`);
  const action = (): Action<Ended> => ({
    title: `End all sessions of ${what}`,
    verb: 'End all',
    isDestructive: true,
    consequence: (
      <>
        <p>
          {address === undefined
            ? `Every live session of ${what} ends, and no ticket that was issued before now opens another.`
            : `Every live session from the address ${what} ends. Tickets name no address, so those that were issued stay valid.`}
        </p>
        <LiveSessions selector={selector} />
      </>
    ),
    undo: NO_BAN,
    fields: maySignOut ? [SIGN_OUT, REASON] : [REASON],
    run: ({ sign_out: signOut, reason }) =>
      ask('POST', '/admin/agents/sessions/terminate', {
        body: { ...selector, ...(signOut !== undefined && { sign_out: true }), reason },
      }),
    done: ({ receipt }) => (
      <>
        <p>Done for {what}.</p>
        <ReceiptText receipt={receipt} />
      </>
    ),
  });
  const name = `End all sessions of ${what}`;
  return <ActionButton action={action} label={label ?? name} name={name} kind="danger" after={after} />;
}
