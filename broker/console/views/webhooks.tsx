import { AUDIT_TYPES } from '@agent-ticket/shared/audit-event.ts';
import { useState } from 'preact/hooks';
import { type Action, ActionButton, REASON } from '../action.tsx';
import { ask } from '../api.ts';
import { type Column, List } from '../list.tsx';
import { SecretText } from '../secret.tsx';
import type { Webhook } from '../shapes.ts';
import { useMay } from '../sign-in.tsx';
import { Age, Code, counted } from '../words.tsx';

interface Created extends Webhook {
  readonly secret: string | null;
}

const chosen = (text: string | undefined) => {
  const names = (text ?? '').split(' ');
  return AUDIT_TYPES.filter((type) => names.includes(type));
};

const create: Action<Created> = {
  title: 'Add a receiver',
  verb: 'Add',
  isDestructive: false,
  consequence: (
    <p>
      The broker sends each event of the audit log from now on to the address, about a minute after it
      happened. Events name principals and network addresses.
    </p>
  ),
  undo: 'A receiver can be deleted in this list at any time.',
  fields: [
    { name: 'name', label: 'Name', hint: 'Its purpose.', isRequired: true, maxLength: 128 },
    { name: 'url', label: 'Address', hint: 'https, of a public host.', isRequired: true, maxLength: 1024 },
    {
      name: 'audience',
      label: 'Audience',
      hint: 'For a receiver of CAEP: it gets session-revoked in security event tokens, in place of webhooks.',
      maxLength: 512,
    },
    {
      name: 'authorization',
      label: 'Authorization',
      hint: 'For a receiver of CAEP: the value of the header, if it wants one.',
      maxLength: 4096,
    },
    { name: 'types', label: 'Types of events', hint: 'None checked: all.', checks: AUDIT_TYPES },
  ],
  run: ({ name = '', url = '', audience, authorization, types }) =>
    ask('POST', '/admin/webhooks', {
      body: {
        ...{ name, url },
        ...(audience !== undefined && { audience }),
        ...(authorization !== undefined && { authorization }),
        ...(types !== undefined && { types: chosen(types) }),
      },
    }),
  done: ({ secret, audience }) =>
    secret === null ? (
      <p>
        The receiver verifies tokens for <Code>{audience}</Code> by the key set of this broker.
      </p>
    ) : (
      <SecretText secret={secret} />
    ),
  doneLabel: 'I have stored the secret',
};

interface Tested {
  readonly delivered: boolean;
  readonly status: number | null;
  readonly fault: string | null;
}

const test = ({ id, name }: Webhook): Action<Tested> => ({
  title: `Test ${name}`,
  verb: 'Send a test',
  isDestructive: false,
  consequence: <p>One message that says that it is a test is sent now.</p>,
  undo: 'The message is no event of the audit log, and changes nothing here.',
  run: () => ask('POST', '/admin/webhooks/{id}/test', { params: { id } }),
  done: ({ delivered, status, fault }) => (
    <p class={delivered ? '' : 'warning'}>
      {delivered ? 'It was taken' : 'It was not taken'}: {outcomeText(status, fault)}.
    </p>
  ),
});

const redeliver = ({ id, name, delivered_through: through }: Webhook): Action<Webhook> => ({
  title: `Send events to ${name} again`,
  verb: 'Go on from there',
  isDestructive: true,
  consequence: (
    <p>
      Deliveries go on after the event with this number. A smaller number than {through} sends events again, a
      greater one leaves some out.
    </p>
  ),
  undo: 'Events that were sent cannot be taken back. The place can be changed again.',
  fields: [
    {
      name: 'after',
      label: 'After event',
      hint: 'Its number, from the audit log. 0 is the beginning.',
      isRequired: true,
      initial: String(through),
      maxLength: 15,
    },
    REASON,
  ],
  run: ({ after, reason }) =>
    ask('POST', '/admin/webhooks/{id}/redeliver', {
      params: { id },
      body: { after: Number(after), ...(reason !== undefined && { reason }) },
    }),
  done: ({ events_waiting: waiting }) => <p>{counted(waiting, 'event')} to examine in the next minutes.</p>,
});

const remove = ({ id, name }: Webhook): Action<Webhook> => ({
  title: `Delete ${name}`,
  verb: 'Delete',
  isDestructive: true,
  consequence: <p>The receiver gets no more events.</p>,
  undo: 'This cannot be undone. A receiver that is added again gets a new secret, and begins with new events.',
  fields: [REASON],
  run: ({ reason }) => ask('DELETE', '/admin/webhooks/{id}', { params: { id }, query: { reason } }),
  done: () => <p>It is deleted.</p>,
});

const outcomeText = (status: number | null, fault: string | null): string =>
  status === null ? (fault ?? 'not tried yet').replaceAll('_', ' ') : `status ${status}`;

const State = ({ hook }: { readonly hook: Webhook }) => (
  <>
    {hook.failing_since === null ? (
      outcomeText(hook.last_status, hook.last_fault)
    ) : (
      <strong class="warning">
        Failing: {outcomeText(hook.last_status, hook.last_fault)}, since <Age at={hook.failing_since} />; next
        try <Age at={hook.next_try_at} />
      </strong>
    )}
    {hook.events_skipped > 0 && <div>{counted(hook.events_skipped, 'event')} left out</div>}
  </>
);

export function Webhooks() {
  const [version, setVersion] = useState(0);
  const mayWrite = useMay()('webhooks:write');
  const changed = (): void => setVersion((before) => before + 1);
  const columns: readonly Column<Webhook>[] = [
    {
      title: 'Receiver',
      cell: ({ name, url }) => (
        <>
          {name}
          <br />
          <Code>{url}</Code>
        </>
      ),
    },
    {
      title: 'Gets',
      cell: ({ types, audience }) =>
        audience === null ? (types?.join(', ') ?? 'all events') : `session-revoked for ${audience}`,
    },
    { title: 'Last delivery', cell: (hook) => <State hook={hook} /> },
    { title: 'Tried', cell: ({ last_tried_at: at }) => (at === null ? 'never' : <Age at={at} />) },
    {
      title: 'Place',
      cell: ({ delivered_through: through, events_waiting: waiting }) =>
        `event ${through}${waiting === 0 ? '' : `, ${waiting} to examine`}`,
    },
    {
      title: 'Actions',
      actions: true,
      cell: (hook) =>
        mayWrite && (
          <>
            <ActionButton action={() => test(hook)} label="Test" name={`Test ${hook.name}`} after={changed} />
            <ActionButton
              action={() => redeliver(hook)}
              label="Redeliver"
              name={`Redeliver to ${hook.name}`}
              after={changed}
            />
            <ActionButton
              action={() => remove(hook)}
              label="Delete"
              name={`Delete ${hook.name}`}
              after={changed}
            />
          </>
        ),
    },
  ];
  return (
    <>
      {mayWrite && (
        <div class="actions">
          <ActionButton action={() => create} label="Add a receiver" kind="" after={changed} />
        </div>
      )}
      <List
        label="Webhooks"
        load={(asked) => ask('GET', '/admin/webhooks', asked)}
        columns={columns}
        keyOf={({ id }) => id}
        empty={<p>There is no receiver. Events stay in the audit log of this broker.</p>}
        version={version}
      />
    </>
  );
}
