import { type AskBroker, describeRefusal, type Speaker } from '../broker.ts';
import { clockTime, make, need } from '../dom.ts';
import {
  type Addresses,
  describeIdentity,
  type Link,
  type Me,
  readMe,
  signInLink,
  signOutLink,
  WAYS,
  type Way,
} from './identity.ts';

export interface IdentityPanel {
  /** For whom the page asks the broker. */
  speaker(): Speaker;
  /** Asks the broker anew who is signed in. */
  refresh(): Promise<void>;
}

/** The choice of who asks, and what the broker makes of it. `onChange` when somebody else asks from now on. */
export function showIdentity(addresses: Addresses, ask: AskBroker, onChange: () => void): IdentityPanel {
  const section = need(document, '#who', HTMLElement);
  const status = need(section, '#who-status', HTMLElement);
  const details = need(section, '#who-details', HTMLElement);
  const links = need(section, '#who-links', HTMLElement);
  const radios = WAYS.map((way) => need(section, `input[value="${way}"]`, HTMLInputElement));
  let me: Me | undefined;

  const chosen = (): Way => WAYS.find((_, index) => radios[index]?.checked) ?? 'nobody';
  const choose = (way: Way): void => {
    radios.forEach((radio, index) => {
      radio.checked = WAYS[index] === way;
    });
  };

  function render(): void {
    const way = chosen();
    status.textContent = describeIdentity(way, me);
    details.replaceChildren(...(way === 'nobody' || me === undefined ? [] : detailsOf(me)));
    links.replaceChildren(...linksOf(way, me, addresses).map(linkElement));
    // The choice stands in the address, so that it outlives the way to a sign-in page and goes along to a second window.
    history.replaceState(null, '', `#${way}`);
    need(document, '#second', HTMLAnchorElement).href = `/#${way}`;
  }

  async function refresh(): Promise<void> {
    const before = speakerName();
    const answer = chosen() === 'nobody' ? undefined : await ask('signed-in', 'GET', '/me');
    me = answer?.ok ? readMe(answer.body) : undefined;
    render();
    if (answer?.ok === false && answer.refusal.status !== 401)
      status.textContent = describeRefusal(answer.refusal);
    if (speakerName() !== before) onChange();
  }

  const speaker = (): Speaker => (chosen() === 'nobody' ? 'nobody' : 'signed-in');
  const speakerName = (): string => `${speaker()} ${me?.principal}`;

  choose(WAYS.find((way) => location.hash === `#${way}`) ?? 'nobody');
  section.addEventListener('change', () => void refresh());
  // A sign-in in another window shows when the person comes back to this one.
  window.addEventListener('focus', () => void refresh());
  return { speaker, refresh };
}

function linksOf(way: Way, me: Me | undefined, addresses: Addresses): Link[] {
  if (me !== undefined && way !== 'nobody') return [signOutLink(me.way, addresses)];
  return way === 'nobody' ? [] : [signInLink(way, addresses)];
}

function linkElement({ href, text, newWindow, wanted }: Link): HTMLElement {
  const link = make('a', text);
  link.href = href;
  link.className = wanted ? 'button' : 'button plain';
  // The broker ends a sign-in only for pages that it lists, and knows them by this.
  link.referrerPolicy = 'origin';
  if (newWindow) {
    link.target = '_blank';
    link.rel = 'noopener';
  }
  return link;
}

function detailsOf({ principal, tier, endsAt }: Me): HTMLElement[] {
  const rows: readonly (readonly [string, string])[] = [
    ['Principal', principal],
    ['Tier', tier],
    ...(endsAt === undefined ? [] : [['Signed in until', clockTime(endsAt)] as const]),
  ];
  return rows.flatMap(([name, value]) => [make('dt', name), make('dd', value)]);
}
