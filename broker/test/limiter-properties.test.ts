import { evictDurableObject, runDurableObjectAlarm } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { vi } from 'vitest';
import { describeLimiter } from './limiter-cases.ts';

/** The mint shard itself. Between calls it may be evicted, and its alarm deletes windows that are over. */
const shard = env.MINT_SHARD.get(env.MINT_SHARD.idFromName('mint:0'));
describeLimiter({
  write: async (entry) => shard.write(entry),
  clock: () => Date.now(),
  setClock: (ms) => vi.setSystemTime(ms),
  disturb: async (what) => {
    if (what === 0) await evictDurableObject(shard);
    if (what === 1) await runDurableObjectAlarm(shard);
  },
});
