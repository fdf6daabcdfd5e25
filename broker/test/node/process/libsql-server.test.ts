import { openControl, openRecord } from '@agent-ticket/drizzle/open-libsql.ts';
import { hasSqld, startSqld } from '@agent-ticket/drizzle/test/libsql/sqld.ts';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { base64url } from 'jose';
import { expect, it } from 'vitest';
import { makeFolder } from '../folder.ts';
import { insertGrant, insertServiceToken } from '../service-token.ts';
import { SETTINGS } from '../start-broker.ts';
import { mintAt, mintPatiently, settingsIn, startBroker } from './broker-process.ts';

it.skipIf(!hasSqld())(
  'two brokers on a libSQL server count together, refuse while it is away or does not answer, and go on afterwards',
  async () => {
    const folder = await makeFolder();
    const [controlServer, recordServer] = await Promise.all([
      startSqld(`${folder}/control`),
      startSqld(`${folder}/record`),
    ]);
    const control = await openControl(controlServer.url);
    const pepper = new Uint8Array(base64url.decode(SETTINGS.TOKEN_PEPPER));
    const newToken = async () => {
      const token = await insertServiceToken(control.store, pepper, { tier: 'free' });
      await insertGrant(control.store, `token:${token.id}`, 'counter', 'admin');
      return token;
    };
    const [token, counted] = [await newToken(), await newToken()];
    await control.close();
    const settings = settingsIn(folder, {
      CONTROL_DATABASE_URL: controlServer.url,
      RECORD_DATABASE_URL: recordServer.url,
    });
    const brokers = await Promise.all([startBroker(settings), startBroker(settings)]);
    const [one, other] = brokers.map(({ url }) => url) as [string, string];

    expect((await mintPatiently(one, token)).status).toBe(201);
    // A server that hangs is waited for as long as the caller can wait; the listener still answers others.
    recordServer.pause();
    const refused = await Promise.all([mintAt(one, token), mintAt(other, token)]);
    expect(refused.map(({ status, headers }) => [status, headers.has('retry-after')])).toEqual([
      [503, true],
      [503, true],
    ]);
    recordServer.resume();
    await recordServer.kill();
    expect((await mintAt(one, token)).status).toBe(503);
    expect((await fetch(`${other}/readyz`)).status).toBe(503);
    expect((await fetch(`${other}/.well-known/jwks.json`)).status).toBe(200);
    await recordServer.start();
    await eventually(async () => expect((await mintAt(one, token)).status).toBe(201));

    const answers = await Promise.all(
      Array.from({ length: 80 }, (_, index) => mintPatiently([one, other][index % 2] ?? one, counted)),
    );
    // A request whose answer was lost in the outage is counted, too.
    const admitted = answers.filter(({ status }) => status === 201).length;
    expect(admitted).toBeGreaterThan(30);
    expect(answers.filter(({ status }) => status === 429)).toHaveLength(80 - admitted);
    const record = await openRecord(recordServer.url);
    const events = await record.store.auditLog.arrivals(0, 1000);
    await record.close();
    const own = events.filter(({ userId }) => userId === `token:${counted.id}`);
    const issued = own.filter(({ type }) => type === 'ticket.issued').length;
    expect(issued).toBeGreaterThanOrEqual(admitted);
    expect(issued).toBeLessThanOrEqual(60);
    const { signal, ended } = brokers[0] ?? {};
    signal?.('SIGTERM');
    expect(await ended).toEqual([0, null]);
  },
);
