import { isPrincipalId } from '@agent-ticket/shared/principal-id.ts';
import { useState } from 'preact/hooks';
import { ask } from '../api.ts';
import { Filter, knownFilters } from '../filter.tsx';
import { type Column, List } from '../list.tsx';
import { hrefOf, type Query } from '../route.ts';
import type { LabelledSession } from '../shapes.ts';
import { useMay } from '../sign-in.tsx';
import { Age, Code, Moment } from '../words.tsx';
import { EndAllButton, EndButton } from './session-actions.tsx';

/** So that no row is older than two seconds. */
const LIVE_EVERY_MS = 1500;

const WHEN = [
  ['', 'Live now'],
  ['all', 'Live or ended'],
] as const;

const FIELDS = [
  { name: 'person', label: 'Person', hint: 'Whole e-mail address, or the id of a principal.' },
  { name: 'agent', label: 'Agent' },
  { name: 'instance', label: 'Instance', hint: 'Of that agent.' },
  { name: 'ip_address', label: 'Address' },
  { name: 'when', label: 'State', options: WHEN },
  { name: 'from', label: 'Live from', type: 'datetime-local' },
  { name: 'to', label: 'Live until', type: 'datetime-local' },
] as const;

export function Sessions({ query: given }: { readonly query: Query }) {
  const query = knownFilters(FIELDS, given);
  const [version, setVersion] = useState(0);
  const may = useMay();
  const { person, when, ...rest } = query;
  const isLive = when === undefined && rest.from === undefined && rest.to === undefined;
  const asked = { ...rest, ...personQuery(person), ...(isLive && { active: true }) };
  const selector = selectorOf(query);
  const changed = (): void => setVersion((before) => before + 1);
  const columns: readonly Column<LabelledSession>[] = [
    {
      title: 'Person',
      cell: (row) => <a href={hrefOf('session', { id: row.id })}>{row.principal_label ?? row.principal}</a>,
    },
    {
      title: 'Agent',
      cell: ({ agent, instance }) => (
        <Code>
          {agent} / {instance}
        </Code>
      ),
    },
    { title: 'Role', cell: ({ role }) => role },
    { title: 'Since', cell: ({ started_at: at }) => (isLive ? <Age at={at} /> : <Moment at={at} />) },
    ...(isLive ? [] : [{ title: 'Ended', cell: (row: LabelledSession) => <Ended row={row} /> }]),
    {
      title: 'Address',
      cell: ({ ip_address: address }) => (address === null ? '–' : <Code>{address}</Code>),
    },
    ...(may('sessions:terminate')
      ? [
          {
            title: 'Actions',
            actions: true,
            cell: (row: LabelledSession) =>
              row.ended_at === null ? <EndButton session={row} after={changed} /> : null,
          },
        ]
      : []),
  ];
  return (
    <>
      <Filter view="sessions" query={given} fields={FIELDS} />
      {may('sessions:terminate') && selector !== undefined && (
        <div class="actions">
          <EndAllButton selector={selector} after={changed} />
        </div>
      )}
      <List
        label="Sessions"
        load={(asked) => ask('GET', '/admin/agents/sessions', asked)}
        query={asked}
        columns={columns}
        keyOf={({ id }) => id}
        empty={<p>{isLive ? 'Nobody is connected.' : 'There was no such session.'}</p>}
        {...(isLive && { everyMs: LIVE_EVERY_MS })}
        version={version}
      />
    </>
  );
}

const Ended = ({ row }: { readonly row: LabelledSession }) =>
  row.ended_at === null ? (
    <span class="state good">live</span>
  ) : (
    <>
      <Moment at={row.ended_at} />
      {row.end_reason !== null && <span class="note"> {row.end_reason}</span>}
    </>
  );

/** A service token, the id of a principal, which names its issuer, or else a label. */
function personQuery(person: string | undefined): Query {
  if (person === undefined) return {};
  if (person.startsWith('svc_')) return { service_token: person };
  return isPrincipalId(person) ? { principal: person } : { label: person };
}

/** The selector of a filter, where it names one target whose sessions can all be ended. */
export function selectorOf({ person, agent, instance, ip_address: address }: Query): Query | undefined {
  const selectors = [
    ...(person === undefined ? [] : [personQuery(person)]),
    ...(agent === undefined ? [] : [{ agent, ...(instance !== undefined && { instance }) }]),
    ...(address === undefined ? [] : [{ ip_address: address }]),
  ];
  return selectors.length === 1 ? selectors[0] : undefined;
}
