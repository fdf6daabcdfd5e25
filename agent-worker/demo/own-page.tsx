import './no-eval.ts';
import {
  Forbidden,
  SignInRequired,
  type TicketProvider,
  type TicketProviderOptions,
  useTicketProvider,
} from '@agent-ticket/client/react';
import { type ReactNode, Suspense, use, useEffect, useState } from 'react';
import { createRoot } from 'react-dom/client';
import { createRequestBroker, listOf, membersOf, type RequestBroker } from './broker.ts';
import { type DemoFacts, readFacts } from './facts.ts';
import { instanceName } from './instance-name.ts';

/** A page of an agent whose instances belong to the person who opens them first. */
interface OwnPage {
  readonly title: string;
  /** Slug of the agent. */
  readonly agent: string;
  readonly path: string;
  /** Names the instance in the address. */
  readonly parameter: string;
  /** The word for an instance on the page. */
  readonly noun: string;
  /** The text for a person who has not signed in. */
  readonly about: string;
  /** The text for a person who has signed in. */
  readonly view: (own: Own) => ReactNode;
}

/** The properties of the view of a page. */
export interface Own {
  readonly ticket: TicketProvider;
  readonly instance: string;
  readonly facts: DemoFacts;
  readonly requestBroker: RequestBroker;
  /** What the person may do at the broker. */
  readonly permissions: readonly unknown[];
}

/** The answer of the broker about the person who is signed in. */
interface SignedIn {
  readonly permissions: readonly unknown[];
}

/** After this time the page says that the broker does not answer or is busy. */
const LONG_MS = 4_000;

/** Renders a page into its `#root`. */
export async function showOwnPage(page: OwnPage): Promise<void> {
  const root = document.querySelector('#root');
  if (root === null) throw new Error('the page has no #root');
  const instance = instanceName(page.parameter, location, history, () => crypto.randomUUID());
  const facts = await readFacts();
  const requestBroker = createRequestBroker(facts.broker);
  // Asked first: a ticket that is refused would be an error in the console of each visitor who has not signed in yet.
  const me = requestBroker('signed-in', 'GET', '/me?optional=true').then((answer): SignedIn | undefined => {
    if (answer.ok && answer.text === '') return undefined;
    return { permissions: answer.ok ? listOf(membersOf(answer.body).permissions) : [] };
  });
  createRoot(root).render(
    <Suspense fallback={<Opening noun={page.noun} />}>
      <Page page={page} own={{ instance, facts, requestBroker }} me={me} />
    </Suspense>,
  );
}

interface PageProps {
  readonly page: OwnPage;
  readonly own: Omit<Own, 'ticket' | 'permissions'>;
  readonly me: Promise<SignedIn | undefined>;
}

/** The view, or the reason why there is none. */
function Page({ page, own, me }: PageProps) {
  const { broker } = own.facts;
  const signedIn = use(me);
  const options: TicketProviderOptions = {
    broker,
    host: location.origin,
    agent: page.agent,
    instance: own.instance,
    credential: { kind: 'session' },
  };
  const ticket = useTicketProvider(options);
  const { refusal } = ticket;
  // The tenant lists this address for logouts: without a query, and so without the name of the instance.
  const after = encodeURIComponent(`${location.origin}${page.path}`);
  const signIn = `${broker}/auth/login?return_to=${encodeURIComponent(location.href)}`;
  return (
    <>
      <header>
        <h1>{page.title}</h1>
        <nav aria-label="Pages">
          <a href="/">Ticket demo</a>
          {signedIn === undefined || refusal instanceof SignInRequired ? null : (
            <a href={`${broker}/auth/logout?return_to=${after}`} referrerPolicy="origin">
              Sign out
            </a>
          )}
        </nav>
      </header>
      <main>
        {signedIn === undefined ? (
          <SignIn page={page} href={signIn} />
        ) : refusal === undefined ? (
          <Suspense fallback={<Opening noun={page.noun} />}>
            <page.view {...own} ticket={ticket} permissions={signedIn.permissions} />
          </Suspense>
        ) : (
          <Refused page={page} refusal={refusal} />
        )}
      </main>
    </>
  );
}

/** The provider retries while the broker is unavailable or limits the rate. */
function Opening({ noun }: { readonly noun: string }) {
  const [isLong, setLong] = useState(false);
  useEffect(() => {
    const timer = setTimeout(() => setLong(true), LONG_MS);
    return () => clearTimeout(timer);
  }, []);
  return (
    <p className="status" role="status">
      Opening the {noun}…{isLong ? ' The broker does not answer or is busy. This page keeps trying.' : ''}
    </p>
  );
}

function SignIn({ page, href }: { readonly page: OwnPage; readonly href: string | undefined }) {
  return (
    <Gateway title={`A ${page.noun} of your own`} text={page.about}>
      <a className="button" href={href}>
        Sign in
      </a>
    </Gateway>
  );
}

interface RefusedProps {
  readonly page: OwnPage;
  readonly refusal: NonNullable<TicketProvider['refusal']>;
}

function Refused({ page, refusal }: RefusedProps) {
  const { noun, path } = page;
  const startOwn = (
    <a className="button" href={path}>
      Start a {noun} of your own
    </a>
  );
  if (refusal instanceof SignInRequired) return <SignIn page={page} href={refusal.signInUrl} />;
  // The lower-case code is the close reason of a socket; the broker's error code is FORBIDDEN.
  if (refusal instanceof Forbidden && refusal.code === 'forbidden')
    return (
      <Gateway
        title="Your session was ended"
        text="You ended it in another window or by signing out, or an operator ended it."
      >
        <a className="button" href={location.href}>
          Open this {noun} again
        </a>
      </Gateway>
    );
  if (refusal instanceof Forbidden)
    return (
      <Gateway
        title={`This ${noun} is not yours`}
        text="It belongs to the person who opened it first, or an operator has locked it."
      >
        {startOwn}
      </Gateway>
    );
  return (
    <Gateway title={`There is no such ${noun}`} text={`The answer was ${refusal.status} ${refusal.code}.`}>
      {startOwn}
    </Gateway>
  );
}

interface GatewayProps {
  readonly title: string;
  readonly text: string;
  readonly children: ReactNode;
}

/** What a person sees in place of the view. */
function Gateway({ title, text, children }: GatewayProps) {
  return (
    <section className="gateway">
      <h2>{title}</h2>
      <p>{text}</p>
      {children}
    </section>
  );
}
