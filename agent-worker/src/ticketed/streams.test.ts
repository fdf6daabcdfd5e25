import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { createStreams, type StreamEnd } from './streams.ts';

const SESSION = '7f0c9c3e-3d0e-4b0a-9a51-0a3b1c5d7e9f';

/** A stream whose time passes, and whose agent speaks, when the test says. */
function open({ takesComments = true } = {}) {
  const ticks = new Set<() => void>();
  const ends: StreamEnd[] = [];
  const streams = createStreams((_everyMs, work) => {
    ticks.add(work);
    return () => ticks.delete(work);
  });
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const agent = writable.getWriter();
  const client = streams
    .carry(SESSION, readable, takesComments, (how) => ends.push(how))
    .pipeThrough(new TextDecoderStream())
    .getReader();
  return {
    streams,
    client,
    ends,
    agent,
    /** The agent says something, and the client has it. */
    async say(text: string): Promise<void> {
      const written = agent.write(new TextEncoder().encode(text));
      expect((await client.read()).value).toBe(text);
      await written;
    },
    pass: () => {
      for (const work of [...ticks]) work();
    },
    timers: () => ticks.size,
  };
}

describe('a stream whose agent is silent', () => {
  it('is tried with a comment each time, before its first line and between two', async () => {
    const { client, pass, say } = open();
    pass();
    expect((await client.read()).value).toBe(':\n');
    await say('data: 1\n\n');
    pass();
    pass();
    expect((await client.read()).value).toBe(':\n');
    await say('data: 2\r\n\r\n');
  });

  it.each(['data: 1', 'data: 1\r', ': half'])('is not tried in the middle of a line (%j)', async (half) => {
    const { pass, say } = open();
    await say(half);
    for (let n = 0; n < 3; n += 1) pass();
    await say('\n\n');
  });

  it('is not tried when it was not silent', async () => {
    const { pass, say } = open();
    for (let n = 0; n < 3; n += 1) {
      await say(`data: ${n}\n\n`);
      pass();
    }
    await say('data: last\n\n');
  });

  it('is not tried further than its client reads', async () => {
    const { client, pass, agent } = open();
    for (let n = 0; n < 100; n += 1) pass();
    await agent.close();
    let comments = 0;
    for (let next = await client.read(); !next.done; next = await client.read()) comments += 1;
    expect(comments).toBeLessThan(5);
  });

  it('is left as it is when it is not plain', () => {
    expect(open({ takesComments: false }).timers()).toBe(0);
  });
});

describe('a stream that is over', () => {
  it.each<[string, (stream: ReturnType<typeof open>) => unknown, readonly StreamEnd[]]>([
    ['by its agent', ({ agent }) => agent.close(), ['finished']],
    ['by its client', ({ client }) => client.cancel(), ['client_closed']],
    ['by a bug', ({ agent }) => agent.abort(new Error('a bug')), ['agent_failed']],
    ['by us', ({ streams }) => streams.cut(SESSION), []],
  ])('%s is not tried any more', async (_how, end, ends) => {
    const logged = vi.spyOn(console, 'error').mockImplementation(() => {});
    onTestFinished(() => logged.mockRestore());
    const stream = open();
    await stream.say('data: 1\n\n');
    await end(stream);
    await stream.client.closed.catch(() => {});
    expect([stream.ends, stream.timers()]).toEqual([ends, 0]);
    stream.pass();
  });
});
