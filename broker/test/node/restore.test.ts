import { AGENTS } from '../../../agents.ts';
import { compose } from '../../src/runtime/compose.ts';
import { checkedApp } from '../openapi.ts';
import { describeRestores, type RestoreSetup } from '../restore-cases.ts';
import { rowsOf } from './folder.ts';
import { BROKER, basic, NOW, startNodeBroker } from './start-broker.ts';

describeRestores(async () => {
  const broker = await startNodeBroker();
  const setupOf = (ports: typeof broker.ports, app: typeof broker.app): RestoreSetup => ({
    ports,
    restarted: async () => {
      const again = compose(ports.config, AGENTS, broker.runtime);
      return setupOf(again, checkedApp(again));
    },
    makeToken: async (permissions) => {
      const { clientId, clientSecret } = await broker.makeServiceToken({ permissions, tier: 'admin' });
      return basic(clientId, clientSecret);
    },
    request: async (path, init) => app.request(`${BROKER}${path}`, init),
    sql: (database, text) => rowsOf(`${broker.folder}/${database}.db`, text),
    logged: () => broker.logged.map((line) => JSON.stringify(line)).join('\n'),
    setClock: (ms) => {
      broker.clock.now = ms / 1000;
    },
    startsAt: NOW * 1000,
  });
  return setupOf(broker.ports, broker.app);
});
