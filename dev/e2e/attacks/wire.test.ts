import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { noteRefusal } from '@agent-ticket/shared/test/refused.ts';
import { makeSecrets } from 'agent-ticket/src/open-secrets.ts';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { mint } from '../broker.ts';
import { freePorts } from '../free-ports.ts';
import { startBroker } from '../node-broker.ts';
import { nextFrame, openSocket } from '../sockets.ts';
import { objectsOf, rowCounts } from '../stack-queries.ts';
import { sendRaw } from './raw-request.ts';
import { isOfPage, isOfRuntime, ROWS } from './wire-rows.ts';

/** Bytes of strangers at both workers: no fault, no object, no row, and nothing of theirs comes back. */

/** The rows of both databases, once what other files caused has been written. */
async function settledCounts(): Promise<Readonly<Record<string, number>>> {
  for (let before = await rowCounts(); ; ) {
    await wait(1_500);
    const after = await rowCounts();
    if (JSON.stringify(after) === JSON.stringify(before)) return after;
    before = after;
  }
}

const state = async () => [await settledCounts(), await objectsOf('COUNTER'), await objectsOf('LOBBY')];
let before: unknown;
let node: Awaited<ReturnType<typeof startOnNode>>;
beforeAll(async () => {
  node = await startOnNode();
  // The first use of a deployment makes its keys.
  await mint({ instance: 'before-the-wire' });
  before = await state();
});
afterAll(() => node.stop());

/** The broker as a process on Node, with files of its own. */
async function startOnNode() {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-wire-'));
  const { broker: port } = await freePorts();
  const url = `http://127.0.0.1:${port}`;
  const { keyEncryptionKey, tokenPepper } = makeSecrets();
  const running = await startBroker(
    {
      ISSUER: url,
      TICKET_AUDIENCE: 'agents.test',
      AGENT_WORKER_URL: 'http://127.0.0.1:9',
      MODE: 'development',
      KEK: keyEncryptionKey,
      TOKEN_PEPPER: tokenPepper,
      PORT: String(port),
    },
    folder,
  );
  return {
    url,
    async stop() {
      await running.stop();
      await rm(folder, { recursive: true });
    },
  };
}

it('the list of rows is long, and says each thing once', () => {
  const names = ROWS.map(([what, server]) => `${server} ${what}`);
  expect(names.filter((name, index) => names.indexOf(name) !== index)).toEqual([]);
  expect(ROWS.length).toBeGreaterThanOrEqual(500);
});

const unwanted = (status: number): boolean =>
  status >= 500 || status === 101 || (status >= 200 && status < 300);

describe.concurrent('a stranger who sends', () => {
  it.for(ROWS)('%s to the %s gets no more than a refusal', async (row, { expect: local, task }) => {
    const [, server, bytes] = row;
    const address = server === 'nodeBroker' ? node.url : inject('stack')[server];
    const { statuses, text } = await sendRaw(address, bytes(new URL(address).host));
    for (const answer of statuses.length === 0 ? ['closed'] : statuses) noteRefusal(task, String(answer));
    local(text.toLowerCase()).not.toMatch(/^(set-cookie|location|access-control-allow-origin):.*evil/m);
    // An answer of a worker has an id.
    if (isOfRuntime(row)) local(text.toLowerCase()).not.toContain('x-request-id');
    else if (isOfPage(row)) local([statuses, text.slice(-8).trim()]).toEqual([[200], '</html>']);
    // None at all, where the connection was closed instead.
    else local(statuses.filter(unwanted)).toEqual([]);
  });
});

it('none of it made an object, or a row of a database', async () => {
  expect(await state()).toEqual(before);
});

it('all three serve the next caller', async () => {
  expect((await fetch(`${node.url}/readyz`)).status).toBe(200);
  const { url } = await mint({ instance: 'after-the-wire' });
  expect(await nextFrame(openSocket(url).socket)).toContain('cf_agent_identity');
});
