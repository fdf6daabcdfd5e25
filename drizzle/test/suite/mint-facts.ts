import { createRandom } from '@agent-ticket/shared/test/random.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import type { RevocationRow } from '../../control/change.ts';
import type { MintFacts, MintQuestion } from '../../control/mint-facts.ts';
import type { GrantRow } from '../../control/policy.ts';
import {
  grants,
  principals,
  revocations,
  serviceTokenSecrets,
  serviceTokens,
  signingKeys,
} from '../../control/schema.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { grant, MINUTE, NOW, revocationRow, secret, serviceToken, signingKey, tokenId } from './rows.ts';

/** Few values of each, so that questions share rows. Quotes, brackets and a NUL must not leave their place in the JSON. */
const PRINCIPALS = [
  'auth0:p:a',
  'auth0:p:b',
  `token:${tokenId('1')}`,
  'oidc:x:"],["',
  "oidc:x:'--",
  'oidc:x:é漢😀',
];
const SUBJECTS = [...PRINCIPALS, 'group:i:staff', 'group:i:"$[0]"', 'email:*@people.test'];
const AGENTS = ['counter', 'lobby'];
const INSTANCES = ['main', 'side', '1', '0'];
const TIMES = [NOW - MINUTE, NOW, NOW + MINUTE];
const TARGETS = ['everything:', 'agent:counter', 'instance:counter/main', 'key:key-1', 'principal:auth0:p:a'];
const KIDS = ['key-1', 'key-2', 'audit-1', 'key-9'];

function drawn(seed: number) {
  const { next } = createRandom(seed);
  const one = <T>(values: readonly T[]): T => {
    const value = values[Math.floor(next() * values.length)];
    if (value === undefined) throw new TypeError('nothing to draw from');
    return value;
  };
  const some = <T>(values: readonly T[]): T[] => values.filter(() => next() < 0.5);
  const list = <T>(count: number, make: (index: number) => T): T[] =>
    Array.from({ length: count }, (_, i) => make(i));
  const claims = new Set<string>();
  return {
    grants: list(60, (index): GrantRow => {
      const [agentSlug, instanceId] = [one(AGENTS), one([...INSTANCES, '*'])];
      const place = `${agentSlug}/${instanceId}`;
      const claimed = next() < 0.3 && !claims.has(place);
      if (claimed) claims.add(place);
      return grant({
        id: `grant-${index}`,
        subject: one(SUBJECTS),
        agentSlug,
        instanceId,
        claimed,
        role: one(['viewer', 'admin', 'owner']),
        createdAt: one(TIMES),
        expiresAt: one([null, null, ...TIMES]),
        openedAt: one([null, NOW]),
        deletedAt: one([null, null, null, NOW]),
      });
    }),
    revocations: list(
      30,
      (index): RevocationRow =>
        revocationRow({
          id: `row-${index}`,
          rev: index + 1,
          target: one(TARGETS),
          kind: one(['any', 'any', 'before']),
          until: one([null, ...TIMES]),
        }),
    ),
    signedOut: some(PRINCIPALS).map((id) => ({
      id,
      tokensBefore: one([null, ...TIMES]),
      loginsBefore: one([null, ...TIMES]),
      keptUntil: NOW,
    })),
    questions: list(
      Math.ceil(next() * 20),
      (): MintQuestion => ({
        principal: one(PRINCIPALS),
        subjects: some([...SUBJECTS, ...SUBJECTS]),
        at: { agent: one(AGENTS), instance: one(INSTANCES) },
        targets: some([...TARGETS, ...TARGETS]),
        claimsSince: one(TIMES),
        now: one(TIMES),
        kid: one(KIDS),
        tokenId: one(['', tokenId('1'), tokenId('2'), tokenId('3'), tokenId('9')]) || undefined,
      }),
    ),
  };
}

export function describeMintFacts(open: OpenDatabases): void {
  describe('the facts of requests for tickets', () => {
    let databases: Databases;
    beforeEach(async () => {
      databases = await open();
      const { controlDb } = databases;
      await controlDb
        .insert(signingKeys)
        .values([
          { ...signingKey(), retiresAt: NOW, removedAt: NOW + MINUTE },
          signingKey({ kid: 'key-2', generation: 2, activatesAt: NOW }),
          signingKey({ kid: 'audit-1', purpose: 'audit' }),
        ]);
      await controlDb.insert(serviceTokens).values([
        serviceToken({ agents: null, lastUsedAt: NOW }),
        serviceToken({
          id: tokenId('2'),
          permissions: [],
          agents: [],
          revokedAt: NOW,
          expiresAt: NOW,
          name: '"],[',
        }),
        serviceToken({ id: tokenId('3') }),
      ]);
      await controlDb
        .insert(serviceTokenSecrets)
        .values([
          secret(),
          secret({ digest: 'digest-2', expiresAt: NOW }),
          secret({ digest: 'digest-3', tokenId: tokenId('2') }),
        ]);
    });

    /** What the single reads say. */
    const readAlone = async (question: MintQuestion): Promise<MintFacts> => {
      const { control } = databases;
      const key = (await control.keys.list('ticket')).find(({ kid }) => kid === question.kid);
      const { tokenId: id } = question;
      return {
        policy: await control.readPolicy(question),
        key: key && {
          kid: key.kid,
          generation: key.generation,
          activatesAt: key.activatesAt,
          retiresAt: key.retiresAt,
          removedAt: key.removedAt,
          revokedAt: key.revokedAt,
        },
        seen: undefined,
        token: id === undefined ? undefined : await control.serviceTokens.findWithSecrets(id),
      };
    };
    const byId = <T extends { readonly id: string }>(rows: readonly T[]): T[] =>
      rows.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    const ordered = ({ policy, ...facts }: MintFacts) => ({
      ...facts,
      policy: {
        ...policy,
        grants: byId(policy.grants),
        revocations: byId(policy.revocations),
        owners: byId(policy.owners),
      },
    });

    it.each([1, 2, 3, 4, 5, 6, 7, 8])('of many are those of each alone (seed %i)', async (seed) => {
      const { controlDb, control } = databases;
      const { questions, ...rows } = drawn(seed);
      for (const row of rows.grants) await controlDb.insert(grants).values(row).onConflictDoNothing();
      for (const row of rows.revocations) await controlDb.insert(revocations).values(row);
      if (rows.signedOut.length > 0) await controlDb.insert(principals).values(rows.signedOut);
      const together = await control.readMintFacts(questions);
      const alone: MintFacts[] = [];
      for (const question of questions) alone.push(await readAlone(question));
      expect(together.map(ordered)).toEqual(alone.map(ordered));
    });

    it('have the label under which the caller was last seen', async () => {
      const { control } = databases;
      const [alice, bob] = ['auth0:p:a', 'auth0:p:b'];
      const sight = { now: NOW, keptUntil: NOW + MINUTE, since: NOW };
      await control.principals.see({ ...sight, id: alice, label: 'Alice@people.test' });
      const ask = (principal: string): MintQuestion => ({
        ...{ principal, subjects: [], at: { agent: 'counter', instance: 'main' }, targets: [] },
        ...{ claimsSince: NOW, now: NOW, kid: 'key-1' },
      });
      const facts = await control.readMintFacts([ask(alice), ask(bob)]);
      expect(facts.map(({ seen }) => seen)).toEqual([{ label: 'Alice@people.test', at: NOW }, undefined]);
      expect(facts[0]?.policy.signedOut).toEqual({ tokensBefore: null, loginsBefore: null });
    });

    it('of none are none', async () => {
      expect(await databases.control.readMintFacts([])).toEqual([]);
    });

    it('of 64 callers in two hundred groups fit into one batch', async () => {
      const groups = Array.from({ length: 200 }, (_, index) => `group:auth0:people.test:department-${index}`);
      await databases.controlDb.insert(grants).values(grant({ subject: groups[199] ?? '' }));
      const question: MintQuestion = {
        principal: 'auth0:p:a',
        subjects: ['auth0:p:a', ...groups],
        at: { agent: 'counter', instance: 'main' },
        targets: TARGETS,
        claimsSince: NOW,
        now: NOW,
        kid: 'key-2',
      };
      const facts = await databases.control.readMintFacts(Array.from({ length: 64 }, () => question));
      expect(facts.map(({ policy }) => policy.grants.map(({ id }) => id))).toEqual(
        Array(64).fill(['grant-1']),
      );
    });
  });
}
