import { execFile } from 'node:child_process';
import { rm, statfs, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { expect, it } from 'vitest';
import * as z from 'zod';
import { atEnd, makeFolder } from '../folder.ts';
import { eventsIn, makeDatabases, mintAt, settingsIn, startBroker } from './broker-process.ts';

const run = promisify(execFile);
const Minted = z.object({ jti: z.uuid() });

/** A file system of its own that is small. Needs root, as the tests of the container do. */
async function smallDisk(): Promise<string> {
  const folder = await makeFolder();
  await run('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'none', folder]);
  atEnd(async () => {
    await run('umount', ['--lazy', folder]);
  });
  return folder;
}

it('on a full disk no ticket leaves, the key set is served, and minting goes on by itself when there is space', async () => {
  const folder = await smallDisk();
  const token = await makeDatabases(folder, { tier: 'admin' });
  const broker = await startBroker(settingsIn(folder));
  const mint = async () => {
    const answer = await mintAt(broker.url, token);
    const body: unknown = await answer.json();
    return { status: answer.status, jti: Minted.safeParse(body).data?.jti };
  };
  const answered = [
    await eventually(async () => {
      const { status, jti } = await mint();
      expect(status).toBe(201);
      return jti;
    }),
  ];

  const { bavail, bsize } = await statfs(folder);
  await writeFile(`${folder}/ballast`, new Uint8Array(bavail * bsize));
  // Space that the database had already taken may hold a few events more.
  await eventually(async () => {
    const { status, jti } = await mint();
    if (status === 201) answered.push(jti);
    expect(status).toBe(503);
  });
  expect((await mint()).status).toBe(503);
  for (const path of ['/.well-known/jwks.json', '/healthz'])
    expect((await fetch(`${broker.url}${path}`)).status).toBe(200);

  await rm(`${folder}/ballast`);
  answered.push(
    await eventually(async () => {
      const { status, jti } = await mint();
      expect(status).toBe(201);
      return jti;
    }),
  );
  broker.signal('SIGTERM');
  expect(await broker.ended).toEqual([0, null]);
  const issued = (await eventsIn(folder))
    .filter(({ type }) => type === 'ticket.issued')
    .map(({ jti }) => jti);
  expect(issued.toSorted()).toEqual(answered.toSorted());
});
