import { useState } from 'preact/hooks';
import { type Action, ActionButton, REASON } from '../action.tsx';
import { useAgents } from '../agents.ts';
import { ask } from '../api.ts';
import { Filter, knownFilters } from '../filter.tsx';
import { type Column, List } from '../list.tsx';
import type { Query } from '../route.ts';
import type { Grant, Receipt } from '../shapes.ts';
import { useMay } from '../sign-in.tsx';
import { Code, DURATIONS, Moment, ReceiptText, secondsOf } from '../words.tsx';

const FIELDS = [
  { name: 'subject', label: 'Subject' },
  { name: 'agent', label: 'Agent' },
  { name: 'instance', label: 'Instance', hint: 'Of that agent.' },
] as const;

const ROLES = [
  ['viewer', 'viewer: connects and reads'],
  ['admin', 'admin: everything but grants and deletion'],
  ['owner', 'owner: everything'],
] as const;

const create = (agents: readonly string[], { subject, agent, instance }: Query): Action<Grant> => ({
  title: 'Give a role',
  verb: 'Give',
  isDestructive: false,
  consequence: (
    <p>
      As soon as it is given, the subject may get tickets with the role. Live sessions keep what they have.
    </p>
  ),
  undo: 'A grant can be taken back in this list at any time.',
  fields: [
    {
      name: 'subject',
      label: 'Subject',
      hint: 'The id of a principal, email:<address>, email:*@<domain> or group:<issuer>:<name>.',
      isRequired: true,
      initial: subject,
    },
    { name: 'agent', label: 'Agent', isRequired: true, known: agents, initial: agent },
    {
      name: 'instance',
      label: 'Instance',
      hint: '* is every instance.',
      isRequired: true,
      initial: instance ?? '*',
    },
    { name: 'role', label: 'Role', options: ROLES },
    { name: 'expires_in', label: 'Valid for', options: DURATIONS },
    REASON,
  ],
  run: ({ expires_in: life, ...values }) =>
    ask('POST', '/admin/grants', { body: { ...values, ...secondsOf('expires_in', life) } }),
  done: ({ subject, role, agent, instance }) => (
    <p>
      <Code>{subject}</Code> is now {role} of{' '}
      <Code>
        {agent} / {instance}
      </Code>
      .
    </p>
  ),
});

const remove = (grant: Grant): Action<{ readonly receipt: Receipt }> => ({
  title: 'Take this grant back',
  verb: 'Take back',
  isDestructive: true,
  consequence: (
    <p>
      <Code>{grant.subject}</Code> is no longer {grant.role} of{' '}
      <Code>
        {grant.agent} / {grant.instance}
      </Code>
      . Tickets that rest on this grant open no session any more, and live sessions that rest on it are
      closed. Clients reconnect if the subject has other rights there.
    </p>
  ),
  undo: 'A new grant gives the same role again. Closed sessions do not come back by themselves.',
  fields: [REASON],
  run: ({ reason }) => ask('DELETE', '/admin/grants/{id}', { params: { id: grant.id }, query: { reason } }),
  done: ({ receipt }) => <ReceiptText receipt={receipt} />,
});

export function Grants({ query: given }: { readonly query: Query }) {
  const query = knownFilters(FIELDS, given);
  const [version, setVersion] = useState(0);
  const agents = useAgents();
  const mayWrite = useMay()('grants:write');
  const changed = (): void => setVersion((before) => before + 1);
  const columns: readonly Column<Grant>[] = [
    { title: 'Subject', cell: ({ subject }) => <Code>{subject}</Code> },
    {
      title: 'Agent',
      cell: ({ agent, instance }) => (
        <Code>
          {agent} / {instance}
        </Code>
      ),
    },
    { title: 'Role', cell: ({ role }) => role },
    { title: 'Until', cell: ({ expires_at: at }) => (at === null ? 'no\u00a0end' : <Moment at={at} />) },
    {
      title: 'Given',
      cell: ({ reason, created_by: by, created_at: at }) => (
        <>
          {reason}
          <br />
          <span class="note">
            <Moment at={at} /> by <Code>{by}</Code>
          </span>
        </>
      ),
    },
    ...(mayWrite
      ? [
          {
            title: 'Actions',
            actions: true,
            cell: (grant: Grant) => (
              <ActionButton
                action={() => remove(grant)}
                label="Take back"
                name={`Take back: ${grant.subject} as ${grant.role} of ${grant.agent} / ${grant.instance}`}
                after={changed}
              />
            ),
          },
        ]
      : []),
  ];
  return (
    <>
      {mayWrite && (
        <div class="actions">
          <ActionButton action={() => create(agents, query)} label="Give a role" kind="" after={changed} />
        </div>
      )}
      <Filter view="grants" query={given} fields={FIELDS} />
      <List
        label="Grants"
        load={(asked) => ask('GET', '/admin/grants', asked)}
        query={query}
        columns={columns}
        keyOf={({ id }) => id}
        empty={<p>There is no such grant.</p>}
        version={version}
      />
    </>
  );
}
