import { useState } from 'preact/hooks';
import { useAgents } from '../agents.ts';
import { ask } from '../api.ts';
import { Fault } from '../fault.tsx';
import { type Field, FieldSet, valuesOf } from '../fields.tsx';
import { useLoaded } from '../load.ts';
import { hrefOf, navigate, type Query } from '../route.ts';
import { useMay } from '../sign-in.tsx';
import { Code, Moment, timeOfDay } from '../words.tsx';

const split = (text: string | undefined): readonly string[] | undefined =>
  text?.split(/[\s,]+/).filter(Boolean);

/** The rules by which the broker decides now, from the same code as for a ticket. */
export function Explain({ query }: { readonly query: Query }) {
  const agents = useAgents();
  const [version, setVersion] = useState(0);
  const mayAskForOthers = useMay()('explain:any');
  const field = (name: string, label: string, more: Partial<Field> = {}): Field => ({
    ...{ name, label, initial: query[name] },
    ...more,
  });
  return (
    <>
      <form
        class="filter"
        key={JSON.stringify(query)}
        onSubmit={(event) => {
          event.preventDefault();
          const values = valuesOf(event.currentTarget);
          // The address of the same question is the same: nothing else would ask it again.
          if (hrefOf('explain', values) === hrefOf('explain', query)) setVersion((before) => before + 1);
          else navigate('explain', values);
        }}
      >
        <div class="fields">
          <FieldSet
            isFilter
            fields={[
              field('agent', 'Agent', { known: agents, isRequired: true }),
              field('instance', 'Instance', { hint: 'Left out: default.' }),
              field('scope', 'Scope', { hint: 'Left out: all that the role allows.' }),
              ...(mayAskForOthers
                ? [
                    field('principal', 'Principal', { hint: 'An id. Left out: you.' }),
                    field('email', 'Its verified e-mail'),
                    field('issuer', 'Its issuer', { hint: 'The exact value of iss.' }),
                    field('groups', 'Its groups', { hint: 'Separated by spaces.' }),
                    field('tier', 'Its tier', {
                      options: [
                        ['', 'free'],
                        ['pro', 'pro'],
                        ['admin', 'admin'],
                      ],
                    }),
                    field('permissions', 'Its permissions', { hint: 'Separated by spaces.' }),
                  ]
                : []),
            ]}
          />
        </div>
        <div class="actions">
          <button type="submit">Explain</button>
        </div>
      </form>
      {query.agent !== undefined && <Decision query={query} version={version} />}
    </>
  );
}

function Decision({ query, version }: { readonly query: Query; readonly version: number }) {
  const { groups, permissions, ...same } = query;
  const { value, failure, at, reload } = useLoaded(
    JSON.stringify(query),
    (signal) =>
      ask('POST', '/explain', {
        body: { ...same, groups: split(groups), permissions: split(permissions) },
        signal,
      }),
    undefined,
    version,
  );
  if (failure !== undefined) return <Fault failure={failure} retry={reload} />;
  if (value === undefined) return <p class="note">Asking …</p>;
  const { allowed, role, scope, session_expires_at: end, would_claim: claims, would_deny: denies } = value;
  return (
    <section aria-live="polite">
      <h2>
        <span class={`state ${allowed ? 'good' : 'bad'}`}>{allowed ? `Allowed, as ${role}` : 'Refused'}</span>
      </h2>
      <p>
        For <Code>{value.principal}</Code>.
        {allowed && (
          <>
            {' '}
            Scope: <Code>{scope}</Code>.
          </>
        )}
        {end !== null && (
          <>
            {' '}
            A session that began now would end at <Moment at={end} />.
          </>
        )}
      </p>
      {claims && (
        <p class="warning">
          The instance has no owner: asking for a ticket would make this principal its owner.
        </p>
      )}
      {denies !== null && (
        <p class="warning">
          Only the rollout of the agent admits this request. Without the rollout the refusal is{' '}
          <Code>{denies}</Code>
        </p>
      )}
      {at !== undefined && <p class="note">As of {timeOfDay(at)}.</p>}
      <h3>Rules, in their order</h3>
      <ol class="rules">
        {value.rules.map(({ rule, holds }) => (
          <li key={rule}>
            <span class={`state ${holds ? 'good' : 'bad'}`}>{holds ? 'holds' : 'does not hold'}</span> {rule}
          </li>
        ))}
      </ol>
      <h3>Grants that count</h3>
      {value.grants.length === 0 ? (
        <p>No grant names this principal there.</p>
      ) : (
        <ul>
          {value.grants.map((grant) => (
            <li key={grant.id}>
              {grant.role} of <Code>{grant.instance}</Code> to <Code>{grant.subject}</Code>
              {grant.expires_at !== null && (
                <>
                  {' '}
                  until <Moment at={grant.expires_at} />
                </>
              )}
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}
