import { Forbidden, SignInRequired } from '@agent-ticket/shared/client/errors.ts';
import type { TicketProvider } from '@agent-ticket/shared/client/ticket-provider.ts';
import { type ReactNode, Suspense, useEffect, useState, useSyncExternalStore } from 'react';
import { Conversation } from './conversation.tsx';

/** After so long a person wonders. */
const LONG_MS = 4_000;

interface AppProps {
  readonly ticket: TicketProvider;
  readonly broker: string;
}

/** The page: the conversation, or why there is none. */
export function App({ ticket, broker }: AppProps) {
  const refusal = useSyncExternalStore(ticket.subscribe, () => ticket.refusal);
  // As it is listed for a logout at the tenant: without a query, and so without this person's chat.
  const after = encodeURIComponent(`${location.origin}/chat`);
  return (
    <>
      <header>
        <h1>Chat</h1>
        <nav aria-label="Pages">
          <a href="/">Ticket demo</a>
          {refusal instanceof SignInRequired ? null : (
            <a href={`${broker}/auth/logout?return_to=${after}`} referrerPolicy="origin">
              Sign out
            </a>
          )}
        </nav>
      </header>
      <main>
        {refusal === undefined ? (
          <Suspense fallback={<Opening />}>
            <Conversation ticket={ticket} />
          </Suspense>
        ) : (
          <Refused refusal={refusal} />
        )}
      </main>
    </>
  );
}

/** The provider goes on trying while the broker is away, or has had too many requests. */
function Opening() {
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), LONG_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <p className="status" role="status">
      Opening the chat…{isLong ? ' The broker is away or busy; this page goes on trying.' : ''}
    </p>
  );
}

function Refused({ refusal }: { readonly refusal: NonNullable<TicketProvider['refusal']> }): ReactNode {
  if (refusal instanceof SignInRequired)
    return (
      <section className="gateway">
        <h2>A chat of your own</h2>
        <p>It tells the time and the weather, and keeps notes when you say yes. Nobody else can read it.</p>
        <a className="button" href={refusal.signInUrl}>
          Sign in
        </a>
      </section>
    );
  // The close of a socket, while the broker's own word is FORBIDDEN.
  if (refusal instanceof Forbidden && refusal.code === 'forbidden')
    return (
      <section className="gateway">
        <h2>Your session was ended</h2>
        <p>Somebody ended it from outside: you in another window, a sign-out, or an operator.</p>
        <a className="button" href={location.href}>
          Open this chat again
        </a>
      </section>
    );
  if (refusal instanceof Forbidden)
    return (
      <section className="gateway">
        <h2>This chat is not yours</h2>
        <p>It belongs to whoever opened it first, or an operator has locked it.</p>
        <a className="button" href="/chat">
          Start a chat of your own
        </a>
      </section>
    );
  return (
    <section className="gateway">
      <h2>There is no such chat</h2>
      <p>
        The answer was {refusal.status} {refusal.code}.
      </p>
      <a className="button" href="/chat">
        Start a chat of your own
      </a>
    </section>
  );
}
