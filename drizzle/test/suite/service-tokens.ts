import { eq } from 'drizzle-orm';
import { beforeEach, describe, expect, it } from 'vitest';
import { serviceTokenSecrets, serviceTokens } from '../../control/schema.ts';
import type { ServiceTokenRow } from '../../control/service-tokens.ts';
import { type Databases, type OpenDatabases, rootMessage, whileRefusing } from './databases.ts';
import { auditEvent, MINUTE, NOW, secret, serviceToken, tokenId, uuidOf } from './rows.ts';

const ONE = tokenId('1');
const TWO = tokenId('2');

export function describeServiceTokens(open: OpenDatabases): void {
  describe('service tokens', () => {
    let databases: Databases;
    let tokens: Databases['control']['serviceTokens'];
    beforeEach(async () => {
      databases = await open();
      tokens = databases.control.serviceTokens;
    });
    let changes = 0;
    const create = (token: ServiceTokenRow, itsSecret: ReturnType<typeof secret>) => {
      changes += 1;
      const event = auditEvent({ eventId: uuidOf(changes) });
      return databases.control.change({ ...tokens.create(token, itsSecret), event, dueAt: NOW });
    };
    const rows = async () => ({
      tokens: await databases.controlDb.select().from(serviceTokens),
      secrets: await databases.controlDb.select().from(serviceTokenSecrets),
    });
    const lastUse = async () => (await tokens.findWithSecrets(ONE))?.token.lastUsedAt;

    it('gives back a token and its secret by its id as they were made', async () => {
      await create(serviceToken(), secret());
      expect(await tokens.findWithSecrets(ONE)).toEqual({ token: serviceToken(), secrets: [secret()] });
    });

    it('keeps all agents apart from none, and keeps lists in their order', async () => {
      await create(serviceToken({ agents: null, permissions: [] }), secret());
      await create(
        serviceToken({ id: TWO, agents: [], permissions: ['b:x', 'a:x'] }),
        secret({ digest: 'digest-2', tokenId: TWO }),
      );
      expect((await tokens.findWithSecrets(ONE))?.token).toMatchObject({
        agents: null,
        permissions: [],
      });
      expect((await tokens.findWithSecrets(TWO))?.token).toMatchObject({
        agents: [],
        permissions: ['b:x', 'a:x'],
      });
    });

    it('finds nothing by an unknown id, in any other spelling, or by a digest', async () => {
      await create(serviceToken(), secret());
      for (const text of ['', 'unknown', ONE.toUpperCase(), `${ONE} `, '%', 'digest-1'])
        expect(await tokens.findWithSecrets(text)).toBeUndefined();
    });

    it('gives both secrets by its id while one is rotated out, past their grace time too', async () => {
      await create(serviceToken(), secret({ expiresAt: NOW - 1 }));
      const next = secret({ digest: 'digest-2', createdAt: NOW + MINUTE });
      await databases.controlDb.insert(serviceTokenSecrets).values(next);
      const found = await tokens.findWithSecrets(ONE);
      expect(found?.token).toEqual(serviceToken());
      expect(found?.secrets).toHaveLength(2);
      expect(found?.secrets).toEqual(expect.arrayContaining([secret({ expiresAt: NOW - 1 }), next]));
    });

    it('keeps the secrets of two tokens apart', async () => {
      await create(serviceToken(), secret());
      const other = serviceToken({ id: TWO });
      const itsSecret = secret({ digest: 'digest-2', tokenId: TWO });
      await create(other, itsSecret);
      expect(await tokens.findWithSecrets(TWO)).toEqual({ token: other, secrets: [itsSecret] });
      expect((await tokens.findWithSecrets(ONE))?.secrets).toEqual([secret()]);
    });

    it('leaves nothing of a token whose secret is refused', async () => {
      await create(serviceToken(), secret());
      const before = await rows();
      const other = serviceToken({ id: TWO });
      const error = await create(other, secret({ tokenId: TWO })).catch((cause: unknown) => cause);
      expect(rootMessage(error)).toMatch(/UNIQUE constraint failed: service_token_secrets\.digest/);
      expect(await rows()).toEqual(before);
    });

    it('leaves nothing of a token whose secret cannot be written', async () => {
      const insert = whileRefusing(databases, 'INSERT', 'service_token_secrets', () =>
        create(serviceToken(), secret()),
      );
      await expect(insert).rejects.toThrow();
      expect(await rows()).toEqual({ tokens: [], secrets: [] });
    });

    it('leaves nothing of a secret whose token is refused', async () => {
      await create(serviceToken(), secret());
      const before = await rows();
      const twin = serviceToken();
      await expect(create(twin, secret({ digest: 'digest-2' }))).rejects.toThrow();
      expect(await rows()).toEqual(before);
    });

    it('refuses a secret of no token', async () => {
      const stray = create(serviceToken(), secret({ tokenId: tokenId('nobody') }));
      await expect(stray).rejects.toThrow();
      expect(await rows()).toEqual({ tokens: [], secrets: [] });
    });

    it('drops the secrets with their token', async () => {
      await create(serviceToken(), secret());
      await databases.controlDb.delete(serviceTokens).where(eq(serviceTokens.id, ONE));
      expect(await rows()).toEqual({ tokens: [], secrets: [] });
    });

    it('notes the first use', async () => {
      await create(serviceToken(), secret());
      await tokens.noteUse(ONE, NOW, NOW - 10 * MINUTE);
      expect(await lastUse()).toBe(NOW);
    });

    it('notes at most one use per interval', async () => {
      await create(serviceToken(), secret());
      const noted: (number | null | undefined)[] = [];
      for (const minute of [0, 1, 9, 10, 11, 20, 22]) {
        const now = NOW + minute * MINUTE;
        await tokens.noteUse(ONE, now, now - 10 * MINUTE);
        noted.push(await lastUse());
      }
      const [first, second, third] = [NOW, NOW + 11 * MINUTE, NOW + 22 * MINUTE];
      expect(noted).toEqual([first, first, first, first, second, second, third]);
    });

    it('never moves a noted use back when a clock does', async () => {
      await create(serviceToken({ lastUsedAt: NOW }), secret());
      await tokens.noteUse(ONE, NOW - MINUTE, NOW - 11 * MINUTE);
      expect(await lastUse()).toBe(NOW);
    });

    it('notes the use of one token only, and none of an unknown one', async () => {
      await create(serviceToken(), secret());
      await create(serviceToken({ id: TWO }), secret({ digest: 'digest-2', tokenId: TWO }));
      await tokens.noteUse(TWO, NOW, NOW - MINUTE);
      await tokens.noteUse(tokenId('3'), NOW, NOW - MINUTE);
      expect((await rows()).tokens.map((token) => [token.id, token.lastUsedAt]).sort()).toEqual([
        [ONE, null],
        [TWO, NOW],
      ]);
    });
  });
}
