import './no-eval.ts';
import { createTicketProvider, Forbidden, SignInRequired, type TicketProvider } from '@agent-ticket/client';
import { type ReactNode, Suspense, use, useEffect, useState, useSyncExternalStore } from 'react';
import { createRoot } from 'react-dom/client';
import { createRequestBroker } from '../broker.ts';
import { readFacts } from '../facts.ts';
import { chatName } from './chat-name.ts';
import { Conversation } from './conversation.tsx';

/** Then the page says that the broker is away or busy. */
const LONG_MS = 4_000;

const root = document.querySelector('#root');
if (root === null) throw new Error('the page has no #root');
const name = chatName(location, history, () => crypto.randomUUID());
const { broker } = await readFacts();
const ticket = createTicketProvider({
  broker,
  host: location.origin,
  agent: 'chat',
  instance: name,
  credential: { kind: 'session' },
});
// Asked first: a ticket that is refused would be an error in the console of each visitor who has not signed in yet.
const signIn = createRequestBroker(broker)('signed-in', 'GET', '/me?optional=true').then((me) =>
  me.ok && me.body === undefined
    ? `${broker}/auth/login?return_to=${encodeURIComponent(location.href)}`
    : undefined,
);
createRoot(root).render(
  <Suspense fallback={<Opening />}>
    <App ticket={ticket} broker={broker} signIn={signIn} />
  </Suspense>,
);

interface AppProps {
  readonly ticket: TicketProvider;
  readonly broker: string;
  /** The link to sign in, where nobody was signed in when the page opened. */
  readonly signIn: Promise<string | undefined>;
}

/** The page: the conversation, or the reason of a refusal. */
function App({ ticket, broker, signIn }: AppProps) {
  const signInUrl = use(signIn);
  const refusal = useSyncExternalStore(ticket.subscribe, () => ticket.refusal);
  // The tenant lists this address for logouts: without a query, and so without the name of the chat.
  const after = encodeURIComponent(`${location.origin}/chat`);
  return (
    <>
      <header>
        <h1>Chat</h1>
        <nav aria-label="Pages">
          <a href="/">Ticket demo</a>
          {signInUrl !== undefined || refusal instanceof SignInRequired ? null : (
            <a href={`${broker}/auth/logout?return_to=${after}`} referrerPolicy="origin">
              Sign out
            </a>
          )}
        </nav>
      </header>
      <main>
        {signInUrl !== undefined ? (
          <SignIn href={signInUrl} />
        ) : refusal === undefined ? (
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

/** The provider retries while the broker is unavailable or limits the rate. */
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

function SignIn({ href }: { readonly href: string | undefined }) {
  return (
    <section className="gateway">
      <h2>A chat of your own</h2>
      <p>It tells the time and the weather, and keeps notes when you say yes. Nobody else can read it.</p>
      <a className="button" href={href}>
        Sign in
      </a>
    </section>
  );
}

function Refused({ refusal }: { readonly refusal: NonNullable<TicketProvider['refusal']> }): ReactNode {
  if (refusal instanceof SignInRequired) return <SignIn href={refusal.signInUrl} />;
  // In lower case it is the close reason of a socket; the broker's error code is FORBIDDEN.
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
        <p>It belongs to the person who opened it first, or an operator has locked it.</p>
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
