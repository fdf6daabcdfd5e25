import { beforeEach, describe, expect, it } from 'vitest';
import type { NewWebhook, WebhookRow } from '../../control/webhooks.ts';
import type { Databases, OpenDatabases } from './databases.ts';
import { auditEvent, MINUTE, NOW, uuidOf, webhook } from './rows.ts';

const ID = uuidOf(1);
const UNTIL = NOW + MINUTE;
const ROW: WebhookRow = {
  ...webhook(),
  ...{ attempts: 0, triedAt: null, status: null, fault: null, failingSince: null, skipped: 0 },
};

export function describeWebhooks(open: OpenDatabases): void {
  describe('webhooks', () => {
    let databases: Databases;
    let webhooks: Databases['control']['webhooks'];
    let events = 100;
    beforeEach(async () => {
      databases = await open();
      webhooks = databases.control.webhooks;
    });
    const change = (statement: ReturnType<typeof webhooks.delete>) => {
      events += 1;
      return databases.control.change({
        statement,
        event: auditEvent({ eventId: uuidOf(events) }),
        dueAt: NOW,
      });
    };
    const insert = (differs: Partial<NewWebhook> = {}, most = 20) =>
      change(webhooks.insert(webhook(differs), most));

    it('come back as they were made, with all types apart from none', async () => {
      await insert();
      await insert({ id: uuidOf(2), types: null, audience: 'https://receiver.test', createdAt: NOW + 1 });
      expect(await webhooks.list()).toEqual([
        { ...ROW, id: uuidOf(2), types: null, audience: 'https://receiver.test', createdAt: NOW + 1 },
        ROW,
      ]);
      expect(await webhooks.find(ID)).toEqual(ROW);
      expect(await webhooks.find(uuidOf(9))).toBeUndefined();
    });

    it('are no more than the limit', async () => {
      expect(await insert({}, 1)).toBeDefined();
      expect(await insert({ id: uuidOf(2) }, 1)).toBeUndefined();
      expect(await webhooks.list()).toHaveLength(1);
    });

    it('are taken by one of any number of brokers at once, once they are due', async () => {
      await insert();
      expect(await webhooks.due(NOW - 1)).toEqual([]);
      const [due] = await webhooks.due(NOW);
      const taken = await Promise.all(
        Array.from({ length: 5 }, (_, index) => webhooks.take(due ?? ROW, UNTIL + index)),
      );
      expect(taken.filter(Boolean)).toHaveLength(1);
      expect(await webhooks.due(NOW)).toEqual([]);
    });

    it('note progress of the run that has them', async () => {
      await insert();
      await webhooks.take(ROW, UNTIL);
      const progress = {
        ...{ seq: 9, attempts: 1, triedAt: NOW, status: 503, fault: null, failingSince: NOW, skipped: 2 },
        dueAt: NOW + 5,
      };
      expect(await webhooks.note(ID, UNTIL, progress)).toBe(true);
      expect(await webhooks.find(ID)).toEqual({ ...ROW, ...progress });
      expect(await webhooks.note(ID, UNTIL, { seq: 3 })).toBe(false);
    });

    it('that an operator has moved or deleted note no progress of a run from before', async () => {
      await insert();
      await webhooks.take(ROW, UNTIL);
      await change(webhooks.moveTo(ID, 3, NOW + 1));
      expect(await webhooks.note(ID, UNTIL, { seq: 9 })).toBe(false);
      expect(await webhooks.find(ID)).toMatchObject({ seq: 3, attempts: 0, dueAt: NOW + 1 });
      await change(webhooks.delete(ID));
      expect(await webhooks.note(ID, NOW + 1, { seq: 9 })).toBe(false);
      expect(await webhooks.list()).toEqual([]);
    });

    it('keep a secret that has changed since it was sealed anew', async () => {
      await insert();
      await change(webhooks.reseal(ID, 'other', 'new'));
      expect((await webhooks.find(ID))?.sealed).toBe('nonce.ciphertext');
      await change(webhooks.reseal(ID, 'nonce.ciphertext', 'new'));
      expect((await webhooks.find(ID))?.sealed).toBe('new');
    });
  });
}
