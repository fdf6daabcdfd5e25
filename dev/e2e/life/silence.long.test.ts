import { eventually } from '@agent-ticket/shared/test-eventually.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { openSilentStream } from './silent-stream.ts';
import { openStand, type Stand } from './stand.ts';

/** Long: a silent stream is tried every fifteen seconds, and the second try after its client left ends it. */

let stand: Stand;
beforeAll(async () => {
  stand = await openStand();
});
afterAll(() => stand?.close());

const endsOf = async (instance: string) =>
  (await stand.sessionsOf(instance)).map(({ end_reason }) => end_reason);

it('a stream on which nothing is said ends by itself when the connection of its client was closed', async () => {
  const instance = 'silent-was-closed';
  const connection = await openSilentStream(stand, instance);
  await eventually(async () => expect(await endsOf(instance)).toEqual([null]));
  connection.destroy();
  await eventually(async () => expect(await endsOf(instance)).toEqual(['client_closed']));
});
