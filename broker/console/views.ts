import type { ComponentType } from 'preact';
import type { Query } from './place.ts';
import { Sessions } from './views/sessions.tsx';

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
  {
    name: 'sessions',
    title: 'Sessions',
    about: 'Who is connected to which agent. A session is one WebSocket, or one answer that streams.',
    needs: 'sessions:read',
    Content: Sessions,
  },
];
