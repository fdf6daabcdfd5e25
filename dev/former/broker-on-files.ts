import { createApp } from '@agent-ticket/broker/src/app.ts';
import { readConfig } from '@agent-ticket/broker/src/config/config.ts';
import { mintShardInProcess } from '@agent-ticket/broker/src/mint/shard-node.ts';
import { compose } from '@agent-ticket/broker/src/runtime/compose.ts';
import { openWeb } from '@agent-ticket/broker/src/runtime/open-web.ts';
import { openControl, openRecord } from '@agent-ticket/drizzle/open-libsql.ts';
import type { DevSecrets } from 'agent-ticket/src/open-secrets.ts';
import { AGENTS } from '../../agents.ts';

/*
 * A broker of this tree in this process. `history.ts` runs it in the tree of an earlier version as well: both files import
 * only what every version has.
 */

const ISSUER = 'https://broker.test';

/** A broker on the libSQL files of a folder, which reaches no agent worker. The clock is in ms. */
export async function openBrokerOnFiles(folder: string, secrets: DevSecrets, clock: () => number) {
  const [control, record] = await Promise.all([
    openControl(`file:${folder}/control.db`),
    openRecord(`file:${folder}/record.db`),
  ]);
  const config = readConfig({
    ISSUER,
    TICKET_AUDIENCE: 'agents.test',
    AGENT_WORKER_URL: 'https://agents.test',
    KEK: secrets.keyEncryptionKey,
    TOKEN_PEPPER: secrets.tokenPepper,
  });
  const stores = { control: control.store, record: record.store };
  const web = { ...openWeb(), clock };
  const ports = compose(config, AGENTS, {
    ...web,
    ...stores,
    sendControl: async () => Response.json({ closed: 0, objects: 0, unreachable: 0, pending: 0, ms: 0 }),
    shard: mintShardInProcess(
      { registry: AGENTS, control: stores.control, config, randomId: web.randomId },
      stores.record,
      clock,
    ),
    ping: { control: () => control.ping(), record: () => record.ping() },
    addressOf: () => '192.0.2.1',
    isByTls: () => true,
    measure: () => {},
    later: (work) => {
      work.catch(() => {});
    },
    log: () => {},
  });
  const app = createApp(ports);
  return {
    ports,
    ask: (path: string, init?: RequestInit): Promise<Response> =>
      Promise.resolve(app.request(`${ISSUER}${path}`, init)),
    close: async (): Promise<void> => {
      await Promise.all([control.close(), record.close()]);
    },
  };
}
