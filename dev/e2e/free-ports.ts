import { reservePort } from '../start/reservations.ts';
import type { Ports } from '../start/stack.ts';

/** Three different ports that nothing listens on. */
export async function freePorts(): Promise<Ports> {
  const reserve = () => reservePort(0, 'test');
  const reserved = await Promise.all([reserve(), reserve(), reserve()]);
  await Promise.all(reserved.map((port) => port.release()));
  const [broker, agentWorker, identityProvider] = reserved;
  return { broker: broker.port, agentWorker: agentWorker.port, identityProvider: identityProvider.port };
}
