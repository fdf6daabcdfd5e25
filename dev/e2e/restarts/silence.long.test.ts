import { eventually } from '@agent-ticket/shared/test/eventually.ts';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Deployment, startDeployment } from './deployment.ts';
import { openSilentStream } from './silent-stream.ts';

/** Long: a silent stream sends a comment every fifteen seconds, and the second try after its client left ends it. */

let deployment: Deployment;
beforeAll(async () => {
  deployment = await startDeployment();
});
afterAll(() => deployment?.close());

const endsOf = async (instance: string) =>
  (await deployment.sessionsOf(instance)).map(({ end_reason }) => end_reason);

it('a silent stream ends by itself when the connection of its client was closed', async () => {
  const instance = 'silent-was-closed';
  const connection = await openSilentStream(deployment, instance);
  await eventually(async () => expect(await endsOf(instance)).toEqual([null]));
  connection.destroy();
  await eventually(async () => expect(await endsOf(instance)).toEqual(['client_closed']));
});
