import type { ComponentType } from 'preact';
import type { Query } from './route.ts';
import { Audit } from './views/audit.tsx';
import { Explain } from './views/explain.tsx';
import { Grants } from './views/grants.tsx';
import { Keys } from './views/keys.tsx';
import { Locks } from './views/locks.tsx';
import { Overview } from './views/overview.tsx';
import { Principals } from './views/principals.tsx';
import { ServiceTokens } from './views/service-tokens.tsx';
import { SessionView } from './views/session.tsx';
import { Sessions } from './views/sessions.tsx';
import { Webhooks } from './views/webhooks.tsx';

export interface View {
  readonly name: string;
  readonly title: string;
  readonly about?: string;
  /** The permission that its first call needs. */
  readonly needs?: string;
  /** Not in the list of views: another view leads there. */
  readonly isHidden?: true;
  /** Views that belong to this one in the list. */
  readonly ofView?: readonly string[];
  readonly Content: ComponentType<{ readonly query: Query }>;
}

/** Every view of the console, in the order of its list. */
export const VIEWS: readonly View[] = [
  { name: 'overview', title: 'Overview', Content: Overview },
  {
    name: 'sessions',
    title: 'Sessions',
    about: 'Who is connected to which agent. A session is one WebSocket, or one answer that streams.',
    needs: 'sessions:read',
    ofView: ['session'],
    Content: Sessions,
  },
  { name: 'session', title: 'Session', needs: 'sessions:read', isHidden: true, Content: SessionView },
  {
    name: 'principals',
    title: 'Principals',
    about:
      'People and programs that have asked for a ticket. Their label is a verified e-mail address or a name.',
    needs: 'sessions:read',
    Content: Principals,
  },
  {
    name: 'grants',
    title: 'Grants',
    about:
      'Which subject has which role on which agent. An agent whose access mode admits everybody needs no grant.',
    needs: 'grants:read',
    Content: Grants,
  },
  {
    name: 'service-tokens',
    title: 'Service tokens',
    about: 'Credentials of programs. The broker stores a hash of each secret, not the secret.',
    needs: 'service-tokens:read',
    Content: ServiceTokens,
  },
  {
    name: 'locks',
    title: 'Locks',
    about:
      'A lock ends the live sessions of its target and refuses its tickets, until the lock expires or an operator lifts it.',
    needs: 'locks:read',
    Content: Locks,
  },
  {
    name: 'keys',
    title: 'Keys',
    about: 'The keys that sign tickets, and those that sign the audit log. They rotate by themselves.',
    needs: 'keys:read',
    Content: Keys,
  },
  {
    name: 'audit',
    title: 'Audit log',
    about:
      'Requests, refusals and changes, newest first. The broker signs the log each minute, so that a verification finds a later change. Reading the log is an event, too.',
    needs: 'audit:read',
    Content: Audit,
  },
  {
    name: 'webhooks',
    title: 'Webhooks',
    about:
      'Receivers of the events of the audit log. Events are sent in order, and again until the receiver takes them.',
    needs: 'audit:read',
    Content: Webhooks,
  },
  {
    name: 'explain',
    title: 'Explain',
    about:
      'The decision that a request for a ticket would get now, rule by rule. Nothing is issued or changed.',
    Content: Explain,
  },
];
