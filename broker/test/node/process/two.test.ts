import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { basic } from '../start-broker.ts';
import { eventsIn, mintPatiently, newHome, settingsIn, startBroker } from './broker-process.ts';

/** Two brokers that share both files, started at the same moment on an empty folder. */
async function startTwo(folder: string) {
  const settings = settingsIn(folder, { TRUSTED_PROXIES: '127.0.0.0/8' });
  return Promise.all([startBroker(settings), startBroker(settings)]);
}

const Keys = z.object({ keys: z.array(z.object({ kid: z.string() })) });
const kidsAt = async (url: string): Promise<string[]> =>
  Keys.parse(await (await fetch(`${url}/.well-known/jwks.json`)).json()).keys.map(({ kid }) => kid);

const statusesOf = (answers: readonly Response[], status: number): number =>
  answers.filter((answer) => answer.status === status).length;

describe('two processes on the same files', () => {
  let home: Awaited<ReturnType<typeof newHome>>;
  let urls: string[];
  beforeAll(async () => {
    home = await newHome({ tier: 'free' });
    urls = (await startTwo(home.folder)).map(({ url }) => url);
  });
  const urlOf = (index: number): string => urls[index % 2] ?? '';

  it('start with one key, and publish the same', async () => {
    const [one, other] = await Promise.all(urls.map(kidsAt));
    expect([one?.length, other]).toEqual([1, one]);
    const made = (await eventsIn(home.folder)).filter(({ type }) => type === 'key.created');
    expect(made.map(({ details }) => details?.purpose).sort()).toEqual(['audit', 'ticket']);
  });

  it('admit of 200 mints at once exactly as many as the limit says, and write each down', async () => {
    const answers = await Promise.all(
      Array.from({ length: 200 }, (_, index) => mintPatiently(urlOf(index), home.token)),
    );
    expect([statusesOf(answers, 201), statusesOf(answers, 429)]).toEqual([60, 140]);
    const types = (await eventsIn(home.folder))
      .filter(({ userId }) => userId === `token:${home.token.id}`)
      .map(({ type }) => type);
    expect(types.filter((type) => type === 'ticket.issued')).toHaveLength(60);
    expect(types.filter((type) => type === 'rate.limited')).toHaveLength(1);
  });

  it('let a wrong secret be tried 30 times in all', async () => {
    const wrong = basic(home.token.clientId, `atk_${'0'.repeat(40)}`);
    const answers = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        // From an address of its own each, since those are counted as well.
        mintPatiently(urlOf(index), home.token, { ...wrong, 'x-forwarded-for': `198.51.100.${index}` }),
      ),
    );
    const tooOften = answers.filter(({ headers }) => headers.has('retry-after'));
    expect([statusesOf(answers, 401), tooOften.length]).toEqual([40, 10]);
  });

  it('make one key of two rotations at once', async () => {
    const { folder, token } = await newHome({ tier: 'admin', permissions: ['keys:rotate'] });
    const two = await startTwo(folder);
    const rotate = (url: string) =>
      fetch(`${url}/admin/keys/rotate`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...basic(token.clientId, token.clientSecret) },
        body: '{}',
      });
    const answers = await Promise.all([...two, ...two].map(({ url }) => rotate(url)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, 409, 409, 409]);
    const [one, other] = await Promise.all(two.map(({ url }) => kidsAt(url)));
    expect([one?.length, other]).toEqual([2, one]);
  });
});
