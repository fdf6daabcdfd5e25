import { beforeEach, describe, expect, it } from 'vitest';
import { type OperatorBroker, type Person, ROOT, startOperatorBroker } from './operator-broker.ts';

let broker: OperatorBroker;
const OTHER: Person = { ...ROOT, sub: 'other' };
beforeEach(async () => {
  broker = await startOperatorBroker();
});

const ask = (who: Person = ROOT) => broker.call(who, 'GET', '/admin/agents/audit/export');
/** The first part of an export, whose reader takes no more of it. */
const begun = async (who: Person = ROOT) => {
  const answer = await ask(who);
  expect(answer.status).toBe(200);
  const reader = answer.body?.getReader();
  await reader?.read();
  return { reader };
};

describe('exports at once', () => {
  it('of one caller are two, and the third is refused with the code of the limits', async () => {
    await begun();
    await begun();
    const third = await ask();
    expect(third.status).toBe(429);
    expect(await third.json()).toMatchObject({ error: { code: 'RATE_LIMITED' } });
    expect(Number(third.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('of another caller are counted by themselves', async () => {
    await begun();
    await begun();
    expect((await ask(OTHER)).status).toBe(200);
  });

  it.each<[string, (reader: ReadableStreamDefaultReader<Uint8Array> | undefined) => Promise<unknown>]>([
    ['was read to its end', async (reader) => void (await readAll(reader))],
    ['was cancelled', async (reader) => reader?.cancel()],
  ])('give way to another one when one %s', async (_how, finish) => {
    const { reader } = await begun();
    await begun();
    await finish(reader);
    expect((await ask()).status).toBe(200);
  });

  it('whose reader takes nothing for a minute give way, and do not look whole', async () => {
    const { reader } = await begun();
    await begun();
    broker.clock.now += 61;
    await begun();
    await expect(readAll(reader)).rejects.toThrow('the export has stalled');
  });
});

async function readAll(reader: ReadableStreamDefaultReader<Uint8Array> | undefined): Promise<void> {
  while ((await reader?.read())?.done === false);
}
