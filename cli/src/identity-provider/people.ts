/** A group as Access lists it in an identity. */
export interface Group {
  id: string;
  name: string;
  email: string;
}

/** A made-up person. `sub` is the Auth0 user id; Access names the same person by e-mail. */
export interface Person {
  sub: string;
  name: string;
  email: string;
  /** False only for people whose unverified address must match no grant. */
  emailVerified: boolean;
  groups: readonly Group[];
  /**
   * The role that a development stack gives this person by a grant: `npm start` on every counter, `agent-ticket dev` on
   * the agents of the app. Not data of an identity provider, but here so that the sign-in pages can show it.
   */
  seededRole?: 'owner' | 'admin';
  /** Whether this person has permissions at the broker of a development stack. */
  operates?: 'all' | 'reading';
}

/** A person as the sign-in pages describe them. */
export const describePerson = ({ email, seededRole, operates }: Person): string =>
  [
    email,
    ...(seededRole === undefined ? [] : [`${seededRole} by a seeded grant`]),
    ...(operates === undefined ? [] : [operates === 'all' ? 'operator' : 'operator who only reads']),
  ].join(', ');

const group = (name: string): Group => ({ id: `group-${name}`, name, email: `${name}@example.com` });

const person = (
  nickname: string,
  name: string,
  groups: readonly string[],
  more: Partial<Pick<Person, 'emailVerified' | 'seededRole' | 'operates'>> = {},
): Person => ({
  sub: `auth0|${nickname}`,
  name,
  email: `${nickname}@example.com`,
  emailVerified: true,
  groups: groups.map(group),
  ...more,
});

/** The people whom the sign-in page offers. */
export const PEOPLE: readonly Person[] = [
  person('dev', 'Dev', ['engineering', 'operators']),
  person('alice', 'Alice', ['engineering'], { seededRole: 'owner' }),
  person('bob', 'Bob', ['support'], { seededRole: 'admin' }),
  person('olga', 'Olga', ['operators'], { operates: 'all' }),
  person('otto', 'Otto', ['operators'], { operates: 'reading' }),
  person('mallory', 'Mallory, address not verified', [], { emailVerified: false }),
];

/** Anyone else exists too: `auth0|zed` has the address `zed@example.com`, `auth0|a@b.test` has `a@b.test`. */
export function personBySub(sub: string): Person {
  const known = PEOPLE.find((one) => one.sub === sub);
  if (known) return known;
  const account = sub.slice(sub.indexOf('|') + 1);
  const email = account.includes('@') ? account : `${account}@example.com`;
  return { sub, name: account, email, emailVerified: true, groups: [] };
}

export function personByEmail(email: string): Person {
  const wanted = email.toLowerCase();
  return PEOPLE.find((one) => one.email === wanted) ?? personBySub(`auth0|${wanted}`);
}

/** Who an OIDC `login_hint` means: a user id as it is, an e-mail address, or a bare nickname. */
export function personByHint(hint: string): Person {
  if (hint.includes('|')) return personBySub(hint);
  return hint.includes('@') ? personByEmail(hint) : personBySub(`auth0|${hint}`);
}
