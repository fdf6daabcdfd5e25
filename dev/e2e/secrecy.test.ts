import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, inject, it } from 'vitest';
import { askForTicket, mint, throughAccess } from './broker.ts';
import { connected, socketUrl, watchToClose } from './sockets.ts';
import { eventsOf } from './stack-queries.ts';

/** Everything that the stack has written so far: log, databases, objects, write-ahead logs included. */
async function everythingWritten(): Promise<Buffer[]> {
  const entries = await readdir(inject('testStack').folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  return Promise.all(files.map(({ parentPath, name }) => readFile(join(parentPath, name))));
}

/** Pieces of a secret, short enough that one lies within a page of a database however the text is cut. */
const piecesOf = (secret: string): string[] => [secret.slice(-40, -20), secret.slice(-20)];

it('no credential and no ticket is written anywhere, used or refused', async () => {
  const instance = 'secrecy';
  const { serviceToken, adminToken } = inject('stack');
  const assertion = await throughAccess({ email: 'vera@example.com' });
  const byQuery = await mint({ instance });
  const byProtocol = await mint({ instance }, assertion);
  const refused = await mint({ instance: 'elsewhere' });
  const wrongSecret = { authorization: `Bearer ${serviceToken.clientSecret.slice(0, -6)}ABCDEF` };
  expect((await askForTicket({ instance }, wrongSecret)).status).toBe(401);

  const first = await connected('counter', instance, { query: { ticket: byQuery.ticket } });
  const second = await connected('counter', instance, { protocols: [...byProtocol.protocols] });
  await first.call('increment');
  await watchToClose(socketUrl('counter', instance, { ticket: refused.ticket }));
  await watchToClose(byQuery.url);
  first.close();
  second.close();
  await eventually(async () => {
    const types = (await eventsOf('counter', instance)).map(({ type }) => type);
    expect(types.filter((type) => type === 'session.closed')).toHaveLength(2);
    expect(types).toContain('ticket.replayed');
  });

  const written = await everythingWritten();
  const contains = (text: string): boolean => written.some((bytes) => bytes.includes(text));
  expect(contains(byQuery.jti), 'a ticket is logged by its jti').toBe(true);
  const secrets = {
    'a ticket in the query': byQuery.ticket,
    'a ticket in the subprotocol': byProtocol.ticket,
    'a refused ticket': refused.ticket,
    'an assertion of Access': Object.values(assertion).join(''),
    'the secret of the service token': serviceToken.clientSecret,
    'the secret of the admin token': adminToken.clientSecret,
    'the key encryption key': inject('testStack').keyEncryptionKey,
  };
  const found = Object.entries(secrets).filter(([, secret]) => piecesOf(secret).some(contains));
  expect(found.map(([name]) => name)).toEqual([]);
});
