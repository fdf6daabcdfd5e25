import { useState } from 'preact/hooks';
import { type Action, ActionButton, REASON } from '../action.tsx';
import { ask } from '../api.ts';
import { type Column, List } from '../list.tsx';
import { hrefOf, type Query } from '../route.ts';
import type { Receipt, SigningKey } from '../shapes.ts';
import { useMay } from '../sign-in.tsx';
import { type Span, TimeLine } from '../time-line.tsx';
import { Code, Moment, ReceiptText } from '../words.tsx';

type Purpose = 'ticket' | 'audit';

const KIND = { active: 'good', pending: 'soon', retiring: 'soon', retired: 'past', revoked: 'bad' } as const;

const MEANING = {
  pending: 'published, and does not sign yet',
  active: 'signs',
  retiring: 'signs no more; is still published, so that its signatures can be verified',
  retired: 'neither signs nor is published',
  revoked: 'its signatures are refused',
} as const;

const rotate = (purpose: Purpose): Action<Pick<SigningKey, 'kid' | 'activates_at'>> => ({
  title: purpose === 'ticket' ? 'Rotate the signing key of tickets' : 'Rotate the key of the audit log',
  verb: 'Rotate',
  isDestructive: true,
  consequence: (
    <p>
      The broker makes a new key. On schedule, the key is published now and signs ten minutes later, when
      every verifier has it. At once, the key signs now.
      {purpose === 'ticket' &&
        ' On schedule no ticket is refused. At once, a verifier that has not read the key yet asks its clients to retry for a moment.'}
    </p>
  ),
  undo: 'A rotation cannot be undone. To replace the new key, rotate again.',
  fields: [
    {
      name: 'activate',
      label: 'When',
      options: [
        ['scheduled', 'On schedule'],
        ['now', 'At once'],
      ],
    },
    {
      name: 'alg',
      label: 'Algorithm',
      options: [
        ['', 'That of the present key'],
        ['ES256', 'ES256'],
        ['Ed25519', 'Ed25519'],
      ],
    },
    REASON,
  ],
  run: (values) => ask('POST', '/admin/keys/rotate', { body: { ...values, purpose } }),
  done: ({ kid, activates_at: at }) => (
    <p>
      Key <Code>{kid}</Code> signs from <Moment at={at} /> on.
    </p>
  ),
});

const revoke = (
  { kid, state }: SigningKey,
  purpose: Purpose,
): Action<{ readonly signing: string | null; readonly receipt?: Receipt }> => ({
  title: 'Revoke this key',
  verb: 'Revoke',
  isDestructive: true,
  consequence: (
    <>
      <p>Use this only for a key that leaked. Its private part is deleted.</p>
      <p>
        {purpose === 'ticket'
          ? 'Everything that it signed is refused: tickets open no session any more, and live sessions that they opened are closed.'
          : 'Verifications of the audit log do not trust it any more, not even its earlier signatures. Export the log first, and keep the export with the present keys. No session ends.'}
        {state === 'active' && ' Another key signs from now on.'}
      </p>
    </>
  ),
  undo: 'This cannot be undone.',
  fields: [REASON],
  run: ({ reason }) => ask('POST', '/admin/keys/{kid}/revoke', { params: { kid }, query: { reason } }),
  done: ({ signing, receipt }) => (
    <>
      <p>
        The key is revoked.{' '}
        {signing === null ? (
          'No key signs now.'
        ) : (
          <>
            Now <Code>{signing}</Code> signs.
          </>
        )}
      </p>
      <ReceiptText receipt={receipt} />
    </>
  ),
});

export function Keys({ query }: { readonly query: Query }) {
  const [version, setVersion] = useState(0);
  const may = useMay();
  const purpose: Purpose = query.purpose === 'audit' ? 'audit' : 'ticket';
  const changed = (): void => setVersion((before) => before + 1);
  const columns: readonly Column<SigningKey>[] = [
    { title: 'Key', cell: ({ kid }) => <Code>{kid}</Code> },
    { title: 'Algorithm', cell: ({ alg }) => alg },
    {
      title: 'State',
      cell: ({ state }) => (
        <>
          <span class={`state ${KIND[state]}`}>{state}</span>
          <br />
          <span class="note">{MEANING[state]}</span>
        </>
      ),
    },
    { title: 'Signs from', cell: ({ activates_at: at }) => <Moment at={at} /> },
    { title: 'Signs until', cell: ({ retires_at: at }) => <Moment at={at} /> },
    {
      title: 'Published until',
      cell: ({ removed_at, revoked_at }) => <Moment at={revoked_at ?? removed_at} />,
    },
    ...(may('keys:revoke')
      ? [
          {
            title: 'Actions',
            actions: true,
            cell: (key: SigningKey) =>
              key.state === 'revoked' || key.state === 'retired' ? null : (
                <ActionButton
                  action={() => revoke(key, purpose)}
                  label="Revoke"
                  name={`Revoke key ${key.kid}`}
                  after={changed}
                />
              ),
          },
        ]
      : []),
  ];
  return (
    <>
      <nav class="tabs" aria-label="Purpose">
        <a class="tab" href={hrefOf('keys')} aria-current={purpose === 'ticket' ? 'page' : undefined}>
          Of tickets
        </a>
        <a
          class="tab"
          href={hrefOf('keys', { purpose: 'audit' })}
          aria-current={purpose === 'audit' ? 'page' : undefined}
        >
          Of the audit log
        </a>
      </nav>
      {may('keys:rotate') && (
        <div class="actions">
          <ActionButton action={() => rotate(purpose)} label="Rotate …" kind="" after={changed} />
        </div>
      )}
      <List<SigningKey>
        label="Keys"
        query={{ purpose }}
        load={(asked) => ask('GET', '/admin/keys', asked)}
        above={(keys) =>
          keys.length > 0 && (
            <TimeLine label="Keys over time; the table below has the same" spans={keys.map(spanOf)} />
          )
        }
        columns={columns}
        keyOf={({ kid }) => kid}
        empty={<p>There is no key yet. The broker makes the first one when it is needed.</p>}
        version={version}
      />
    </>
  );
}

function spanOf({ kid, state, ...key }: SigningKey): Span {
  const end = key.revoked_at ?? key.removed_at;
  return {
    name: kid.slice(0, 12),
    from: Date.parse(key.activates_at),
    to: end === null ? undefined : Date.parse(end),
    kind: KIND[state],
    text: state,
  };
}
