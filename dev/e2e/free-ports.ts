import { freePorts as anyFreePorts } from '@agent-ticket/shared/test/free-ports.ts';
import type { Ports } from '../start/stack.ts';

/** Three different ports that nothing listens on. */
export async function freePorts(): Promise<Ports> {
  const [broker = 0, agentWorker = 0, identityProvider = 0] = await anyFreePorts(3);
  return { broker, agentWorker, identityProvider };
}
