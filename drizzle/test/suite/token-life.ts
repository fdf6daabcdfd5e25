import { beforeEach, describe, expect, it } from 'vitest';
import type { Change } from '../../control/change.ts';
import { serviceTokenSecrets } from '../../control/schema.ts';
import { ENDED, type ServiceTokenRow } from '../../control/service-tokens.ts';
import { type Databases, type OpenDatabases, whileRefusing } from './databases.ts';
import { auditEvent, MINUTE, NOW, secret, serviceToken, uuidOf } from './rows.ts';

const NEXT = secret({ tokenId: 'token-1', digest: 'digest-2', createdAt: NOW + MINUTE });
const GRACE_END = NOW + 60 * MINUTE;

export function describeTokenLife(open: OpenDatabases): void {
  describe('the life of a service token', () => {
    let databases: Databases;
    let tokens: Databases['control']['serviceTokens'];
    beforeEach(async () => {
      databases = await open();
      tokens = databases.control.serviceTokens;
    });
    let changes = 0;
    /** Whether a change applied. */
    const change = async (statements: Pick<Change, 'before' | 'statement' | 'after'>) => {
      changes += 1;
      const event = auditEvent({ eventId: uuidOf(changes) });
      return (await databases.control.change({ ...statements, event, dueAt: NOW })) !== undefined;
    };
    const insert = (id: string, differs: Partial<ServiceTokenRow> = {}, expiresAt: number | null = null) =>
      change(
        tokens.create(
          serviceToken({ id, ...differs }),
          secret({ digest: `secret-of-${id}`, tokenId: id, expiresAt }),
        ),
      );
    const addSecret = (next: ReturnType<typeof secret>, graceEnd: number) =>
      change(tokens.addSecret(next, graceEnd));
    const revoke = (id: string, now: number) => change({ statement: tokens.revoke(id, now) });
    const ends = async () =>
      Object.fromEntries(
        (await databases.controlDb.select().from(serviceTokenSecrets)).map((row) => [
          row.digest,
          row.expiresAt,
        ]),
      );

    it('finds a token by its id, a revoked one too', async () => {
      await insert('a', { revokedAt: NOW });
      expect(await tokens.find('a')).toEqual(serviceToken({ id: 'a', revokedAt: NOW }));
      expect(await tokens.find('b')).toBeUndefined();
    });

    it('lists tokens that were not revoked, newest first, on pages', async () => {
      for (const [id, createdAt] of [
        ['a', NOW],
        ['b', NOW],
        ['c', NOW - 1],
        ['d', NOW + 1],
      ] as const)
        await insert(id, { createdAt });
      await insert('revoked', { revokedAt: NOW });
      await insert('ended', { createdAt: NOW - 2, expiresAt: NOW - 1 });
      const pages: string[][] = [];
      let after: ServiceTokenRow | undefined;
      for (;;) {
        const page = await tokens.list(after, 2);
        after = page.at(-1);
        if (after === undefined) break;
        pages.push(page.map(({ id }) => id));
      }
      expect(pages).toEqual([['d', 'b'], ['a', 'c'], ['ended']]);
    });

    it('adds a secret and gives the one there the end of its grace time', async () => {
      await insert('token-1');
      expect(await addSecret(NEXT, GRACE_END)).toBe(true);
      expect(await ends()).toEqual({ 'secret-of-token-1': GRACE_END, 'digest-2': null });
      expect((await tokens.findWithSecrets('token-1'))?.secrets).toContainEqual(NEXT);
    });

    it('leaves an end that has come, and the secrets of other tokens', async () => {
      await insert('token-1', {}, NEXT.createdAt - 1);
      await insert('token-2');
      await addSecret(NEXT, GRACE_END);
      expect(await ends()).toEqual({
        'secret-of-token-1': NEXT.createdAt - 1,
        'secret-of-token-2': null,
        'digest-2': null,
      });
    });

    it('without a grace time ends every other secret of the token for any clock', async () => {
      await insert('token-1', {}, NEXT.createdAt - 1);
      await insert('token-2');
      await addSecret(NEXT, GRACE_END);
      await addSecret(secret({ tokenId: 'token-1', digest: 'digest-3', createdAt: NOW + 2 * MINUTE }), ENDED);
      expect(await ends()).toEqual({
        'secret-of-token-1': 0,
        'secret-of-token-2': null,
        'digest-2': 0,
        'digest-3': null,
      });
    });

    it('leaves two secrets good, however often a token is rotated', async () => {
      await insert('token-1');
      for (const [index, digest] of ['a', 'b', 'c'].entries())
        await addSecret(secret({ tokenId: 'token-1', digest, createdAt: NOW + index }), GRACE_END);
      expect(await ends()).toEqual({ 'secret-of-token-1': NOW + 1, a: NOW + 2, b: GRACE_END, c: null });
    });

    it('leaves two secrets good when a token is rotated by several at once', async () => {
      await insert('token-1');
      const all = ['a', 'b', 'c', 'd'].map((digest) =>
        addSecret(secret({ tokenId: 'token-1', digest }), GRACE_END),
      );
      expect(await Promise.all(all)).toEqual([true, true, true, true]);
      const left = Object.values(await ends());
      expect(left.filter((end) => end === null)).toHaveLength(1);
      expect(left.filter((end) => end === GRACE_END)).toHaveLength(1);
      expect(left.filter((end) => end === NOW)).toHaveLength(3);
    });

    it('changes nothing for a token that is unknown or revoked', async () => {
      await insert('token-1', { revokedAt: NOW });
      expect(await addSecret(NEXT, GRACE_END)).toBe(false);
      expect(await addSecret({ ...NEXT, tokenId: 'unknown' }, GRACE_END)).toBe(false);
      expect(await ends()).toEqual({ 'secret-of-token-1': null });
    });

    it('ends no secret when the next one is refused or cannot be written', async () => {
      await insert('token-1');
      await expect(
        addSecret(secret({ tokenId: 'token-1', digest: 'secret-of-token-1' }), GRACE_END),
      ).rejects.toThrow();
      const add = () => addSecret(NEXT, GRACE_END);
      await expect(whileRefusing(databases, 'INSERT', 'service_token_secrets', add)).rejects.toThrow();
      expect(await ends()).toEqual({ 'secret-of-token-1': null });
    });

    it('revokes a token once, and keeps when', async () => {
      await insert('a');
      await insert('b');
      const revoked = await Promise.all([revoke('a', NOW), revoke('a', NOW)]);
      expect(revoked.filter(Boolean)).toHaveLength(1);
      expect(await revoke('a', NOW + 1)).toBe(false);
      expect(await revoke('unknown', NOW)).toBe(false);
      expect((await tokens.find('a'))?.revokedAt).toBe(NOW);
      expect((await tokens.find('b'))?.revokedAt).toBeNull();
    });

    it('finds a revoked token with its secrets, so that the refusal can be exact', async () => {
      await insert('a');
      await revoke('a', NOW);
      expect(await tokens.findWithSecrets('a')).toMatchObject({ token: { revokedAt: NOW } });
    });
  });
}
