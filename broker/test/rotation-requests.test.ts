import { env } from 'cloudflare:workers';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import { flushOutbox } from '../src/revocation/outbox.ts';
import { type Broker, startBroker } from './broker.ts';
import { call, expectRefusal, LOBBY, mint, refusal, refusalOf, ticketOf } from './call.ts';
import { NOW, setClock } from './clock.ts';
import { failing, forgetKeys } from './databases.ts';
import { askToRotate, keyRows, operator, rotate } from './keys.ts';
import { eventsWith } from './record.ts';
import { makeToken } from './tokens.ts';

let broker: Broker;
beforeEach(async () => {
  await forgetKeys();
  broker = startBroker();
});

/** Has the broker make its first key. */
const start = async () => ticketOf(await mint(undefined, LOBBY, { front: broker.front }));

describe('a request to rotate', () => {
  it.each([
    ['activate', { activate: 'later' }, 'scheduled or now'],
    ['activate', { activate: null }, 'scheduled or now'],
    ['alg', { alg: 'RS256' }, 'ES256 or Ed25519'],
    ['alg', { alg: 'none' }, 'ES256 or Ed25519'],
    ['alg', { alg: 'EdDSA' }, 'ES256 or Ed25519'],
    ['body', [], 'an object'],
    ['body', null, 'an object'],
  ])('names %s where it is at fault: %j', async (field, body, values) => {
    const reply = await askToRotate(broker.front, body);
    expect(refusalOf(reply)).toEqual({
      status: 400,
      code: 'BAD_REQUEST',
      message: `the request is not valid: ${field} (it must be ${values})`,
    });
    expect((await keyRows()).length).toBeLessThanOrEqual(1);
  });

  it('refuses what it does not know', async () => {
    expectRefusal(await askToRotate(broker.front, { kid: 'x' }), '400 BAD_REQUEST');
  });

  it.each([
    ['nobody', undefined, '401 UNAUTHORIZED', '401 UNAUTHORIZED'],
    ['a service token without permissions', [], '403 FORBIDDEN', '403 FORBIDDEN'],
    ['one that may only read', ['keys:read'], '200', '403 FORBIDDEN'],
    ['one that may only rotate', ['keys:rotate'], '403 FORBIDDEN', '201'],
  ])('of %s is answered by what that may do', async (_who, permissions, listed, rotated) => {
    const headers = permissions === undefined ? {} : (await makeToken({ tier: 'admin', permissions })).pair;
    const replies = [
      await call('/admin/keys', { headers, front: broker.front }),
      await askToRotate(broker.front, {}, { headers }),
    ];
    expect(replies.map(refusal)).toEqual([listed, rotated]);
    expect(replies[0]?.headers.get('www-authenticate') !== null).toBe(permissions === undefined);
    expect((await keyRows()).length).toBe(rotated === '201' ? 2 : listed === '200' ? 1 : 0);
  });

  it('is recorded with who, when and which', async () => {
    await start();
    const { kid, previous } = await rotate(broker.front, { activate: 'now' });
    await eventually(async () => {
      const events = (await eventsWith('kid', kid)).filter(({ type }) => type === 'key.rotated');
      expect(events).toEqual([
        expect.objectContaining({ user_id: operator.principal, outcome: 'success', at: NOW * 1000 }),
      ]);
      expect(JSON.parse(events[0]?.details ?? '')).toMatchObject({ previous: previous.kid, alg: 'ES256' });
    });
  });

  it('keeps its event while the record database is away, and brings it there later, once', async () => {
    await start();
    const { front } = startBroker({
      record: failing(env.RECORD, () => new Error('Network connection lost.')),
    });
    const { kid } = await rotate(front, { activate: 'now' });
    expect(await eventsWith('kid', kid)).toEqual([]);
    setClock(5);
    await flushOutbox(startBroker().ports);
    await flushOutbox(startBroker().ports);
    expect(await eventsWith('kid', kid)).toHaveLength(1);
  });

  it('makes the first key where there is none yet', async () => {
    await rotate(broker.front, { activate: 'now' });
    expect(await keyRows()).toHaveLength(2);
    ticketOf(await mint(undefined, LOBBY, { front: broker.front }));
  });
});
