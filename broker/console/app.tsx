import { useEffect, useRef, useState } from 'preact/hooks';
import { addressOf, ask } from './api.ts';
import { DialogHost } from './dialog.tsx';
import { Fault } from './fault.tsx';
import { useLoaded } from './load.ts';
import { hrefOf, type Route, useRoute } from './route.ts';
import { type Me, NOBODY, SignedIn, SignInPage } from './sign-in.tsx';
import { VIEWS, type View } from './views.ts';

/** How often the page asks for the rights of the person, in ms. */
const ME_EVERY_MS = 15_000;

export function App() {
  const me = useLoaded<Me | undefined>(
    'me',
    (signal) => ask('GET', '/me', { query: { optional: true }, signal }),
    ME_EVERY_MS,
  );
  const route = useRoute();
  if (me.at === undefined) {
    return me.failure === undefined ? (
      <main class="gateway">
        <p class="note">Loading …</p>
      </main>
    ) : (
      <main class="gateway">
        <h1>Broker console</h1>
        <Fault failure={me.failure} retry={me.reload} />
      </main>
    );
  }
  return (
    <SignedIn value={me.value ?? NOBODY}>
      {/* Around the sign-in as well: a dialog that shows a secret once outlives the end of a sign-in. */}
      <DialogHost>
        {me.value === undefined ? <SignInPage /> : <Frame me={me.value} route={route} />}
      </DialogHost>
    </SignedIn>
  );
}

const mayOpen = ({ needs }: View, { permissions }: Me): boolean =>
  needs === undefined || permissions.includes(needs);

function Frame({ me, route }: { readonly me: Me; readonly route: Route }) {
  const offered = VIEWS.filter((view) => view.isHidden !== true && mayOpen(view, me));
  const view = route.view === '' ? offered[0] : VIEWS.find(({ name }) => name === route.view);
  const first = useRef(route);
  useEffect(() => {
    document.title = `${view?.title ?? 'Not found'} · Broker console`;
    // The browser drops the focus of a removed element. A page that was just opened keeps the focus at its top.
    if (route !== first.current && document.activeElement === document.body)
      document.getElementById('main')?.focus();
  }, [view, route]);
  return (
    <>
      <a class="skip visually-hidden" href={hrefOf(route.view, route.query)} onClick={focusMain}>
        Skip to the content
      </a>
      <header class="top">
        <p class="brand">Broker console</p>
        <nav aria-label="Views">
          {offered.map(({ name, title, ofView = [] }) => (
            <a
              key={name}
              href={hrefOf(name)}
              aria-current={name === view?.name || ofView.includes(view?.name ?? '') ? 'page' : undefined}
            >
              {title}
            </a>
          ))}
        </nav>
        <Person me={me} />
      </header>
      <Offline />
      <main id="main" tabIndex={-1}>
        {view === undefined ? (
          <NotFound />
        ) : (
          <>
            <h1>{view.title}</h1>
            {view.about !== undefined && <p class="about">{view.about}</p>}
            {me.locked ? (
              <Fault failure={{ status: 403, message: LOCKED }} />
            ) : mayOpen(view, me) ? (
              <view.Content query={route.query} />
            ) : (
              <Fault failure={{ status: 403, message: `this view needs the permission ${view.needs}` }} />
            )}
          </>
        )}
      </main>
    </>
  );
}

const LOCKED =
  'a lock names you or your credential, so the broker refuses everything that you ask for. Another operator may lift it';

function focusMain(event: MouseEvent): void {
  event.preventDefault();
  document.getElementById('main')?.focus();
}

const NotFound = () => (
  <>
    <h1>There is no such view</h1>
    <p>
      <a href={hrefOf('')}>Go to the first view</a>.
    </p>
  </>
);

function Person({ me }: { readonly me: Me }) {
  const { email, principal, method, permissions } = me;
  // A session of Access ends at Cloudflare. The console can end no other kind of credential.
  const signOut =
    method === 'auth0-session'
      ? addressOf('/auth/logout')
      : method === 'access'
        ? new URL('/cdn-cgi/access/logout', location.href).href
        : undefined;
  return (
    <details class="person">
      <summary>{email ?? principal}</summary>
      <div>
        <p>
          You are <code>{principal}</code>.
        </p>
        <p>
          {permissions.length === 0
            ? 'You have no permission of an operator. Operators get permissions by claim rules of the broker.'
            : `Your permissions: ${permissions.join(', ')}.`}
        </p>
        {signOut !== undefined && <a href={signOut}>Sign out</a>}
      </div>
    </details>
  );
}

function Offline() {
  const [isOnline, setOnline] = useState(navigator.onLine);
  useEffect(() => {
    const look = (): void => setOnline(navigator.onLine);
    addEventListener('online', look);
    addEventListener('offline', look);
    return () => {
      removeEventListener('online', look);
      removeEventListener('offline', look);
    };
  }, []);
  return (
    <div role="status">
      {!isOnline && (
        <p class="banner">
          This computer is offline. The page may show old values, and cannot change anything.
        </p>
      )}
    </div>
  );
}
