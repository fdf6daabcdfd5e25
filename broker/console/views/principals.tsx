import { useState } from 'preact/hooks';
import { ask } from '../api.ts';
import { Filter, knownFilters } from '../filter.tsx';
import { type Column, List } from '../list.tsx';
import { hrefOf, type Query } from '../route.ts';
import type { LabelledPrincipal } from '../shapes.ts';
import { useMay } from '../sign-in.tsx';
import { Age, Code } from '../words.tsx';
import { EndAllButton } from './session-actions.tsx';

const FIELDS = [
  { name: 'label', label: 'Label', hint: 'The beginning of an e-mail address or of a name.' },
] as const;

/** The API counts no further. */
const MOST_COUNTED = 100;
const upTo = (count: number): string => (count >= MOST_COUNTED ? `${count} or more` : String(count));

export function Principals({ query: given }: { readonly query: Query }) {
  const query = knownFilters(FIELDS, given);
  const [version, setVersion] = useState(0);
  const may = useMay();
  const changed = (): void => setVersion((before) => before + 1);
  const columns: readonly Column<LabelledPrincipal>[] = [
    {
      title: 'Label',
      cell: ({ id, label }) => (
        <>
          {label}
          <br />
          <Code>{id}</Code>
        </>
      ),
    },
    { title: 'Last seen', cell: ({ last_seen_at: at }) => <Age at={at} /> },
    {
      title: 'Live sessions',
      cell: ({ id, live_sessions: count }) =>
        count === 0 ? '0' : <a href={hrefOf('sessions', { person: id })}>{upTo(count)}</a>,
    },
    {
      title: 'Grants',
      cell: ({ id, grants: count }) =>
        count === 0 || !may('grants:read') ? (
          upTo(count)
        ) : (
          <a href={hrefOf('grants', { subject: id })}>{upTo(count)}</a>
        ),
    },
    {
      title: 'Locks',
      cell: ({ locks: count }) => (count === 0 ? '0' : <span class="state bad">{upTo(count)}</span>),
    },
    {
      title: 'Actions',
      actions: true,
      cell: ({ id, live_sessions: live }) => (
        <>
          {may('explain:any') && (
            <a class="button plain" href={hrefOf('explain', { principal: id })}>
              Explain
            </a>
          )}
          {may('locks:write') && (
            <a class="button plain" href={hrefOf('locks', { kind: 'principal', name: id })}>
              Lock
            </a>
          )}
          {may('sessions:terminate') && live > 0 && (
            <EndAllButton selector={{ principal: id }} label="End all" after={changed} />
          )}
        </>
      ),
    },
  ];
  return (
    <>
      <Filter view="principals" query={given} fields={FIELDS} />
      <List
        label="Principals"
        load={(asked) => ask('GET', '/admin/principals', asked)}
        query={query}
        columns={columns}
        keyOf={({ id }) => id}
        empty={
          <p>
            {query.label === undefined
              ? 'Nobody with a label has asked for a ticket yet.'
              : 'No principal that asked for a ticket has a label that begins like that.'}
          </p>
        }
        version={version}
      />
    </>
  );
}
