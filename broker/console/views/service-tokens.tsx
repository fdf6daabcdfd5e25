import { useState } from 'preact/hooks';
import { type Action, ActionButton, REASON } from '../action.tsx';
import { ask } from '../api.ts';
import { type Column, List } from '../list.tsx';
import { hrefOf } from '../route.ts';
import { SecretText } from '../secret.tsx';
import type { Receipt, ServiceToken } from '../shapes.ts';
import { type Me, useMay, useMe } from '../sign-in.tsx';
import { Age, Code, DURATIONS, Moment, ReceiptText, secondsOf } from '../words.tsx';

interface WithSecret extends ServiceToken {
  readonly client_secret: string;
  readonly previous_expires_at?: string;
  readonly receipt?: Receipt;
}

const words = (text: string | undefined): readonly string[] => (text ?? '').split(/[\s,]+/).filter(Boolean);

const create = ({ permissions, agents }: Me): Action<WithSecret> => ({
  title: 'Make a service token',
  verb: 'Make',
  isDestructive: false,
  consequence: <p>A program gets tickets with the token. Its secret is shown only once, here.</p>,
  undo: 'A token can be revoked in this list at any time.',
  fields: [
    { name: 'name', label: 'Name', hint: 'Its purpose.', isRequired: true, maxLength: 100 },
    {
      name: 'agents',
      label: 'Agents',
      hint: 'Slugs, separated by spaces. Left out: all.',
      isRequired: agents !== null,
      initial: agents?.join(' '),
    },
    {
      name: 'tier',
      label: 'Tier',
      options: [
        ['free', 'free'],
        ['pro', 'pro'],
        ['admin', 'admin'],
      ],
    },
    { name: 'expires_in', label: 'Valid for', options: DURATIONS },
    {
      name: 'permissions',
      label: 'Permissions of the operator’s API',
      hint: 'Usually none: tickets need grants, not permissions.',
      checks: permissions,
    },
  ],
  run: ({ name, agents: slugs, tier, expires_in: life, permissions: names }) =>
    ask('POST', '/admin/service-tokens', {
      body: {
        ...{ name, tier, permissions: words(names), ...secondsOf('expires_in', life) },
        ...(slugs !== undefined && { agents: words(slugs) }),
      },
    }),
  done: (token) => <Secret token={token} />,
  doneLabel: 'I have stored the secret',
});

const GRACES = [
  ['3600', '1 hour'],
  ['86400', '1 day'],
  ['604800', '7 days'],
  ['2592000', '30 days'],
  ['0', 'not at all: the old secret leaked'],
] as const;

const rotate = ({ id, name }: ServiceToken): Action<WithSecret> => ({
  title: `Give ${name} a new secret`,
  verb: 'Make the new secret',
  isDestructive: true,
  consequence: (
    <p>
      The new secret works at once. The old one works for the time that you choose. If you choose “not at
      all”, tickets of the old secret open no session any more, and its live sessions are closed.
    </p>
  ),
  undo: 'The old secret cannot be brought back once its time is over.',
  fields: [{ name: 'grace_in', label: 'The old secret stays valid for', options: GRACES }],
  run: ({ grace_in: grace }) =>
    ask('POST', '/admin/service-tokens/{id}/rotate', {
      params: { id },
      body: { grace_in: Number(grace) },
    }),
  done: (token) => <Secret token={token} />,
  doneLabel: 'I have stored the secret',
});

const revoke = ({ id, name }: ServiceToken): Action<{ readonly receipt: Receipt }> => ({
  title: `Revoke ${name}`,
  verb: 'Revoke',
  isDestructive: true,
  consequence: (
    <p>Its secrets stop working, its tickets open no session any more, and its live sessions are closed.</p>
  ),
  undo: 'This cannot be undone. Make another token instead.',
  fields: [REASON],
  run: ({ reason }) => ask('DELETE', '/admin/service-tokens/{id}', { params: { id }, query: { reason } }),
  done: ({ receipt }) => <ReceiptText receipt={receipt} />,
});

function Secret({ token }: { readonly token: WithSecret }) {
  const { client_id: id, client_secret: secret, previous_expires_at: previous, receipt } = token;
  return (
    <>
      <SecretText secret={secret}>
        <dt>Client id</dt>
        <dd>
          <Code>{id}</Code>
        </dd>
      </SecretText>
      {previous !== undefined && receipt === undefined && (
        <p>
          The old secret works until <Moment at={previous} />.
        </p>
      )}
      <ReceiptText receipt={receipt} />
    </>
  );
}

export function ServiceTokens() {
  const [version, setVersion] = useState(0);
  const me = useMe();
  const may = useMay();
  const mayWrite = may('service-tokens:write');
  const changed = (): void => setVersion((before) => before + 1);
  const columns: readonly Column<ServiceToken>[] = [
    {
      title: 'Token',
      cell: ({ name, client_id: id }) => (
        <>
          {name}
          <br />
          <Code>{id}</Code>
        </>
      ),
    },
    { title: 'Agents', cell: ({ agents }) => agents?.join(', ') ?? 'all' },
    { title: 'Tier', cell: ({ tier }) => tier },
    { title: 'Permissions', cell: ({ permissions }) => <PermissionList names={permissions} /> },
    { title: 'Last used', cell: ({ last_used_at: at }) => (at === null ? 'never' : <Age at={at} />) },
    { title: 'Until', cell: ({ expires_at: at }) => (at === null ? 'no\u00a0end' : <Moment at={at} />) },
    {
      title: 'Actions',
      actions: true,
      cell: (token) => (
        <>
          {may('sessions:read') && (
            <a class="button plain" href={hrefOf('sessions', { person: token.client_id })}>
              Sessions
            </a>
          )}
          {mayWrite && (
            <>
              <ActionButton
                action={() => rotate(token)}
                label="New secret"
                name={`New secret of ${token.name}`}
                after={changed}
              />
              <ActionButton
                action={() => revoke(token)}
                label="Revoke"
                name={`Revoke ${token.name}`}
                after={changed}
              />
            </>
          )}
        </>
      ),
    },
  ];
  return (
    <>
      {mayWrite && (
        <div class="actions">
          <ActionButton action={() => create(me)} label="Make a service token" kind="" after={changed} />
        </div>
      )}
      <List
        label="Service tokens"
        load={(asked) => ask('GET', '/admin/service-tokens', asked)}
        columns={columns}
        keyOf={({ id }) => id}
        empty={
          <p>There is no service token. Programs that have no identity of their own get tickets with one.</p>
        }
        version={version}
      />
    </>
  );
}

const PermissionList = ({ names }: { readonly names: readonly string[] }) =>
  names.length < 3 ? (
    <span>{names.join(', ') || 'none'}</span>
  ) : (
    <details>
      <summary>{names.length} permissions</summary>
      {names.join(', ')}
    </details>
  );
