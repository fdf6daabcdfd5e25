import type { ControlDatabase } from '@agent-ticket/drizzle/control/database.ts';
import { policyQueries } from '@agent-ticket/drizzle/control/policy.ts';
import { stableUuid } from '../identity-provider/access-issuer.ts';
import { PEOPLE, type Person } from '../identity-provider/people.ts';
import type { IdentityProvider } from '../identity-provider/start.ts';
import { CREATED_BY } from './seed.ts';

/**
 * Gives the people of the stand-in their roles on the counters, whichever way they sign in. By principal id, as grants
 * to addresses would need an issuer that is trusted for addresses. Run again, it changes nothing.
 */
export async function seedPeople(
  control: ControlDatabase,
  { access, auth0 }: IdentityProvider,
  now: number,
): Promise<void> {
  for (const person of PEOPLE) {
    if (person.counterRole === undefined) continue;
    for (const subject of subjectsOf(person, new URL(access.issuer).hostname, auth0.domain)) {
      await policyQueries(control).insertGrant({
        id: `${CREATED_BY}-${subject}-counter`,
        subject,
        agentSlug: 'counter',
        instanceId: '*',
        role: person.counterRole,
        reason: 'seeded for development',
        createdBy: CREATED_BY,
        createdAt: now,
      });
    }
  }
}

const subjectsOf = ({ email, sub }: Person, team: string, tenant: string): string[] => [
  `access:${team}:user:${stableUuid(email)}`,
  `auth0:${tenant}:${sub}`,
];
