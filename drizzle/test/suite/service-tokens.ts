import { eq } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import { serviceTokenSecrets, serviceTokens } from '../../control/schema.ts';
import { serviceTokenQueries } from '../../control/service-tokens.ts';
import { type Databases, type OpenDatabases, rootMessage, whileRefusing } from './databases.ts';
import { MINUTE, NOW, secret, serviceToken } from './rows.ts';

export function describeServiceTokens(open: OpenDatabases): void {
  describe('service tokens', () => {
    let databases: Databases;
    let tokens: ReturnType<typeof serviceTokenQueries>;
    beforeEach(async () => {
      databases = await open();
      tokens = serviceTokenQueries(databases.control);
    });
    const rows = async () => ({
      tokens: await databases.control.select().from(serviceTokens),
      secrets: await databases.control.select().from(serviceTokenSecrets),
    });
    const lastUse = async () => (await tokens.findByClientId('client-1'))?.token.lastUsedAt;

    it('gives back a token and its secret by client id as they were made', async () => {
      await tokens.insert(serviceToken(), secret());
      expect(await tokens.findByClientId('client-1')).toEqual({ token: serviceToken(), secrets: [secret()] });
    });

    it('gives back a token by the digest of its secret', async () => {
      await tokens.insert(serviceToken(), secret());
      expect(await tokens.findByDigest('digest-1')).toEqual({ token: serviceToken(), secrets: [secret()] });
    });

    it('tells all agents from none, and keeps lists in their order', async () => {
      await tokens.insert(serviceToken({ agents: null, permissions: [] }), secret());
      await tokens.insert(
        serviceToken({ id: 'token-2', clientId: 'client-2', agents: [], permissions: ['b:x', 'a:x'] }),
        secret({ digest: 'digest-2', tokenId: 'token-2' }),
      );
      expect((await tokens.findByClientId('client-1'))?.token).toMatchObject({
        agents: null,
        permissions: [],
      });
      expect((await tokens.findByClientId('client-2'))?.token).toMatchObject({
        agents: [],
        permissions: ['b:x', 'a:x'],
      });
    });

    it('finds nothing for an unknown client id or digest, in any other spelling, or by the other one', async () => {
      await tokens.insert(serviceToken(), secret());
      for (const text of ['', 'unknown', 'CLIENT-1', 'client-1 ', '%', 'digest-1'])
        expect(await tokens.findByClientId(text)).toBeUndefined();
      for (const text of ['', 'unknown', 'DIGEST-1', 'digest-1 ', '%', 'client-1'])
        expect(await tokens.findByDigest(text)).toBeUndefined();
    });

    it('gives both secrets by client id while one is rotated out, past their grace time too', async () => {
      await tokens.insert(serviceToken(), secret({ expiresAt: NOW - 1 }));
      const next = secret({ digest: 'digest-2', createdAt: NOW + MINUTE });
      await databases.control.insert(serviceTokenSecrets).values(next);
      const found = await tokens.findByClientId('client-1');
      expect(found?.token).toEqual(serviceToken());
      expect(found?.secrets).toHaveLength(2);
      expect(found?.secrets).toEqual(expect.arrayContaining([secret({ expiresAt: NOW - 1 }), next]));
    });

    it('gives only the secret that was shown by its digest', async () => {
      await tokens.insert(serviceToken(), secret());
      const next = secret({ digest: 'digest-2', createdAt: NOW + MINUTE });
      await databases.control.insert(serviceTokenSecrets).values(next);
      expect((await tokens.findByDigest('digest-2'))?.secrets).toEqual([next]);
    });

    it('keeps the secrets of two tokens apart', async () => {
      await tokens.insert(serviceToken(), secret());
      const other = serviceToken({ id: 'token-2', clientId: 'client-2' });
      const itsSecret = secret({ digest: 'digest-2', tokenId: 'token-2' });
      await tokens.insert(other, itsSecret);
      expect(await tokens.findByClientId('client-2')).toEqual({ token: other, secrets: [itsSecret] });
      expect((await tokens.findByClientId('client-1'))?.secrets).toEqual([secret()]);
    });

    it('leaves nothing of a token whose secret is refused', async () => {
      await tokens.insert(serviceToken(), secret());
      const before = await rows();
      const other = serviceToken({ id: 'token-2', clientId: 'client-2' });
      const error = await tokens
        .insert(other, secret({ tokenId: 'token-2' }))
        .catch((cause: unknown) => cause);
      expect(rootMessage(error)).toMatch(/UNIQUE constraint failed: service_token_secrets\.digest/);
      expect(await rows()).toEqual(before);
    });

    it('leaves nothing of a token whose secret cannot be written', async () => {
      const insert = whileRefusing(databases, 'INSERT', 'service_token_secrets', () =>
        tokens.insert(serviceToken(), secret()),
      );
      await expect(insert).rejects.toThrow();
      expect(await rows()).toEqual({ tokens: [], secrets: [] });
    });

    it('leaves nothing of a secret whose token is refused', async () => {
      await tokens.insert(serviceToken(), secret());
      const before = await rows();
      const twin = serviceToken({ id: 'token-2' });
      await expect(tokens.insert(twin, secret({ digest: 'digest-2', tokenId: 'token-2' }))).rejects.toThrow();
      expect(await rows()).toEqual(before);
    });

    it('refuses a secret of no token', async () => {
      const stray = tokens.insert(serviceToken(), secret({ tokenId: 'token-of-nobody' }));
      await expect(stray).rejects.toThrow();
      expect(await rows()).toEqual({ tokens: [], secrets: [] });
    });

    it('drops the secrets with their token', async () => {
      await tokens.insert(serviceToken(), secret());
      await databases.control.delete(serviceTokens).where(eq(serviceTokens.id, 'token-1'));
      expect(await rows()).toEqual({ tokens: [], secrets: [] });
    });

    it('notes the first use', async () => {
      await tokens.insert(serviceToken(), secret());
      await tokens.noteUse('token-1', NOW, NOW - 10 * MINUTE);
      expect(await lastUse()).toBe(NOW);
    });

    it('notes at most one use per interval', async () => {
      await tokens.insert(serviceToken(), secret());
      const noted: (number | null | undefined)[] = [];
      for (const minute of [0, 1, 9, 10, 11, 20, 22]) {
        const now = NOW + minute * MINUTE;
        await tokens.noteUse('token-1', now, now - 10 * MINUTE);
        noted.push(await lastUse());
      }
      const [first, second, third] = [NOW, NOW + 11 * MINUTE, NOW + 22 * MINUTE];
      expect(noted).toEqual([first, first, first, first, second, second, third]);
    });

    it('never moves a noted use back when a clock does', async () => {
      await tokens.insert(serviceToken({ lastUsedAt: NOW }), secret());
      await tokens.noteUse('token-1', NOW - MINUTE, NOW - 11 * MINUTE);
      expect(await lastUse()).toBe(NOW);
    });

    it('notes the use of one token only, and none of an unknown one', async () => {
      await tokens.insert(serviceToken(), secret());
      await tokens.insert(
        serviceToken({ id: 'token-2', clientId: 'client-2' }),
        secret({ digest: 'digest-2', tokenId: 'token-2' }),
      );
      await tokens.noteUse('token-2', NOW, NOW - MINUTE);
      await tokens.noteUse('token-3', NOW, NOW - MINUTE);
      expect((await rows()).tokens.map((token) => [token.id, token.lastUsedAt]).sort()).toEqual([
        ['token-1', null],
        ['token-2', NOW],
      ]);
    });
  });
}
