import { holdPort } from '../start/hold-port.ts';
import type { Ports } from '../start/stack.ts';

/** Three different ports that nothing listens on. */
export async function freePorts(): Promise<Ports> {
  const hold = () => holdPort(0, 'test');
  const held = await Promise.all([hold(), hold(), hold()]);
  await Promise.all(held.map((port) => port.release()));
  const [broker, agentWorker, identityProvider] = held;
  return { broker: broker.port, agentWorker: agentWorker.port, identityProvider: identityProvider.port };
}
