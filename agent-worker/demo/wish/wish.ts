import type { DemoAgent } from '../facts.ts';

/** What the page asks the broker for; the body of `POST /tickets`. */
export interface Wish {
  readonly agent: string;
  readonly instance: string;
  readonly scope?: string;
  readonly expires_in?: number;
}

/** Scopes that one may ask for. The last two show what a broker says to more than a role allows. */
export const SCOPE_CHOICES = [
  { id: 'role', text: 'All that my role allows', scope: undefined },
  { id: 'read', text: 'Less: connect and read', scope: 'agent:connect agent:state:read' },
  { id: 'whoami', text: 'Less: connect and whoami()', scope: 'agent:connect agent:rpc:whoami' },
  {
    id: 'increment',
    text: 'increment(), which a viewer may not',
    scope: 'agent:connect agent:rpc:increment',
  },
  { id: 'all', text: 'Every call, which only an owner may', scope: 'agent:connect agent:rpc:*' },
] as const;
export type ScopeChoice = (typeof SCOPE_CHOICES)[number]['id'];

/** Lives of a ticket in seconds that one may ask for. */
export const LIFE_CHOICES = [60, 10, 300] as const;

export function wishOf(agent: string, instance: string, choice: string, life: string): Wish {
  const scope = SCOPE_CHOICES.find(({ id }) => id === choice)?.scope;
  const seconds = LIFE_CHOICES.find((each) => String(each) === life) ?? LIFE_CHOICES[0];
  return { agent, instance: instance.trim(), ...(scope === undefined ? {} : { scope }), expires_in: seconds };
}

/** The instance that the page proposes. `random` names one that nobody else is likely to own. */
export function proposedInstance({ access, instances }: DemoAgent, random: string): string {
  const [only] = instances;
  if (only !== undefined) return only;
  return access === 'first-user' ? `mine-${random}` : 'demo';
}

/** Who may come in, in a sentence. */
export function describeAccess({ displayName, access, instances }: DemoAgent): string {
  const only = instances.length === 0 ? '' : ` Its only instance is ${instances.join(', ')}.`;
  const who = {
    public: 'lets everybody in, strangers too.',
    viewer: 'lets in anybody who is somebody, as a viewer. Grants make some of them admin or owner.',
    'first-user': 'belongs to the first person who gets a ticket for an instance.',
  }[access];
  return `${displayName} ${who}${only}`;
}
