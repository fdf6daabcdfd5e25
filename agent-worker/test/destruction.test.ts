import { runInDurableObject } from 'cloudflare:test';
import { objectSessionStore } from '@agent-ticket/drizzle/object/sessions.ts';
import { expect, test, vi } from 'vitest';
import { createDestruction } from '../src/ticketed/destruction.ts';
import { chat } from './chat-client.ts';
import { newInstance } from './tickets.ts';

test('a destruction that failed early can be tried again, and one under way is the same for all', async () => {
  await runInDurableObject(chat(newInstance()), async (_, ctx) => {
    const listOpen = vi
      .fn(() => [])
      .mockImplementationOnce(() => {
        throw new Error('SQLITE_FULL');
      });
    const destroy = vi.fn(async () => {});
    const destruction = createDestruction({
      rows: objectSessionStore(ctx.storage.sql),
      sessions: { listOpen, end: vi.fn(), terminate: vi.fn() },
      audit: { releaseReplays: vi.fn(), releaseCalls: vi.fn() },
      streams: { cut: vi.fn() },
      ctx,
      clock: () => 0,
      endMcpSessions: async () => {},
      keepsTables: false,
      destroy,
    });
    await expect(destruction.start()).rejects.toThrow('SQLITE_FULL');
    await Promise.all([destruction.start(), destruction.start()]);
    expect(destroy).toHaveBeenCalledTimes(1);
  });
});
