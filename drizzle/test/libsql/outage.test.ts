import { writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { freePorts } from '@agent-ticket/shared/test/free-ports.ts';
import { createClient } from '@libsql/client';
import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/libsql';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openControl } from '../../open-libsql.ts';
import { isOutage } from '../../outage.ts';
import { auditEvent, NOW, newGrant } from '../suite/rows.ts';
import { temporaryFolder } from './folder.ts';

const folder = temporaryFolder();

const thrownBy = (work: () => Promise<unknown>): Promise<unknown> =>
  work().then(
    () => undefined,
    (error: unknown) => error,
  );

/** A new database on its own file, closed when the test is over. */
async function openFile(name: string) {
  const { store, close } = await openControl(`file:${folder}/${name}`);
  onTestFinished(() => close());
  return store;
}

/** A server on loopback that answers every request the same way, until the test is over. */
async function serverUrl(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the server has no port');
  return `http://127.0.0.1:${address.port}`;
}

describe('a libSQL file that cannot serve', () => {
  it('is an outage while somebody else holds it', async () => {
    const { usedTokens, change, grants } = await openFile('held.db');
    const other = createClient({ url: `file:${folder}/held.db` });
    onTestFinished(() => other.close());
    const holding = await other.transaction('write');
    const write = await thrownBy(() => usedTokens.use('a', NOW));
    const batch = await thrownBy(() =>
      change({ statement: grants.insert(newGrant()), event: auditEvent(), dueAt: NOW }),
    );
    await holding.rollback();
    expect([isOutage(write), isOutage(batch)]).toEqual([true, true]);
  });

  it('is an outage when there is no room left', async () => {
    const client = createClient({ url: `file:${folder}/full.db` });
    onTestFinished(() => client.close());
    const db = drizzle(client);
    await db.run(sql`CREATE TABLE texts (text TEXT)`);
    await db.run(sql`PRAGMA max_page_count = 1`);
    const text = 'x'.repeat(200_000);
    expect(isOutage(await thrownBy(() => db.run(sql`INSERT INTO texts VALUES (${text})`)))).toBe(true);
  });

  it('is an outage when its folder is away', async () => {
    expect(isOutage(await thrownBy(() => openControl(`file:${folder}/away/control.db`)))).toBe(true);
  });

  it('is an outage when the file is something else', async () => {
    writeFileSync(`${folder}/letter.db`, 'Dear Sir or Madam, '.repeat(500));
    expect(isOutage(await thrownBy(() => openControl(`file:${folder}/letter.db`)))).toBe(true);
  });
});

describe('a libSQL server that cannot serve', () => {
  it('is an outage when nobody listens', async () => {
    const [closed] = await freePorts(1);
    expect(isOutage(await thrownBy(() => openControl(`http://127.0.0.1:${closed}`)))).toBe(true);
  });

  it('is an outage when it hangs up', async () => {
    const url = await serverUrl((request) => request.socket.destroy());
    expect(isOutage(await thrownBy(() => openControl(url)))).toBe(true);
  });

  it.each([400, 401, 403, 404, 429, 500, 502, 503, 504])(
    'is an outage when it answers %s',
    async (status) => {
      const url = await serverUrl((_request, response) => response.writeHead(status).end());
      expect(isOutage(await thrownBy(() => openControl(url)))).toBe(true);
    },
  );
});
