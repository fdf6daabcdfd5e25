import { env } from 'cloudflare:workers';
import { vi } from 'vitest';
import { beginEmpty, START } from './audit-log.ts';
import { startBroker } from './broker.ts';
import { requestTo } from './call.ts';
import { forgetKeys } from './databases.ts';
import { delivered } from './record.ts';
import { describeRestores, type RestoreSetup } from './restore-cases.ts';
import { makeToken } from './tokens.ts';

beginEmpty();

describeRestores(async () => {
  await forgetKeys();
  for (const [database, table] of [
    [env.CONTROL, 'revocations'],
    [env.RECORD, 'revocation_copies'],
  ] as const)
    await database.prepare(`DELETE FROM ${table}`).run();
  const logged: string[] = [];
  const setupOf = (): RestoreSetup => {
    const { ports, front } = startBroker({
      ports: {},
      runtime: { log: (line) => logged.push(JSON.stringify(line)) },
    });
    return {
      ports,
      restarted: async () => setupOf(),
      makeToken: async (permissions) => (await makeToken({ permissions, tier: 'admin' })).pair,
      request: async (path, init) => front(requestTo(path, init)),
      sql: async (database, text) => {
        await delivered();
        const { results } = await (database === 'control' ? env.CONTROL : env.RECORD).prepare(text).run();
        return results;
      },
      logged: () => logged.join('\n'),
      setClock: (ms) => vi.setSystemTime(ms),
      startsAt: START,
    };
  };
  return setupOf();
});
