import { useCallback, useEffect, useState } from 'react';
import { describeRefusal, listOf, membersOf, type RequestBroker, textOr } from '../broker.ts';
import { clockTime } from '../dom.ts';

interface AuditLogProps {
  readonly instance: string;
  /** Changes when there is something new to see. */
  readonly news: string;
  readonly mayRead: boolean;
  readonly requestBroker: RequestBroker;
}

interface Event {
  readonly id: string;
  readonly at: number;
  readonly type: string;
  readonly principal: string;
  /** Name and value of each. */
  readonly details: string;
}

/** The time until the log has an event, in ms. */
const LOGGED_AFTER_MS = 1_500;
const SHOWN = 20;

const NO_EVENTS: readonly Event[] = [];

/** The audit events of this list, for a person who has the permission. */
export function AuditLog({ instance, news, mayRead, requestBroker }: AuditLogProps) {
  const [events, setEvents] = useState(NO_EVENTS);
  const [fault, setFault] = useState('');

  const read = useCallback(async (): Promise<void> => {
    const query = new URLSearchParams({ agent: 'integrations', instance, limit: String(SHOWN) });
    const answer = await requestBroker('signed-in', 'GET', `/admin/agents/audit?${query}`);
    setFault(answer.ok ? '' : describeRefusal(answer.refusal));
    if (answer.ok) setEvents(readEvents(answer.body));
  }, [instance, requestBroker]);

  // biome-ignore lint/correctness/useExhaustiveDependencies: the news are the reason to read again.
  useEffect(() => {
    if (!mayRead) return;
    const timer = setTimeout(() => void read(), LOGGED_AFTER_MS);
    return () => clearTimeout(timer);
  }, [read, mayRead, news]);

  return (
    <section aria-labelledby="audit-title">
      <h2 id="audit-title">3. Read the audit log</h2>
      {mayRead ? (
        <>
          <p className="note">
            A <code>callback.used</code> is a request that came without a ticket: the redirect of a sign-in,
            or a webhook.
          </p>
          <ol className="rows" aria-label="Events, newest first">
            {events.map(({ id, at, type, principal, details }) => (
              <li key={id} data-type={type}>
                <div>
                  <b>{type}</b>
                  <span>
                    {clockTime(at)}, {principal}
                  </span>
                  {details === '' ? null : <code>{details}</code>}
                </div>
              </li>
            ))}
          </ol>
          <p role="status">{fault}</p>
          <button type="button" className="plain" onClick={() => void read()}>
            Look again
          </button>
        </>
      ) : (
        <p>
          The broker shows its audit log to operators: your sign-in lacks the permission{' '}
          <code>audit:read</code>.
        </p>
      )}
    </section>
  );
}

function readEvents(body: unknown): Event[] {
  return listOf(membersOf(body).items).flatMap((item) => {
    const { event_id: id, at, type, principal, details } = membersOf(item);
    if (typeof id !== 'string' || typeof at !== 'string' || typeof type !== 'string') return [];
    const more = Object.entries(membersOf(details)).map(([name, value]) => `${name}: ${value}`);
    return [
      { id, at: Date.parse(at), type, principal: textOr(principal, 'nobody'), details: more.join(', ') },
    ];
  });
}
