import { beforeEach } from 'vitest';
import { serveCerts } from './access.ts';
import { type Broker, startBroker } from './broker.ts';
import { COUNTER, mint, type Reply, ticketOf } from './call.ts';
import { claimsOf } from './tickets.ts';

type Headers = Readonly<Record<string, string>>;

/** Each test of a file has a broker of its own, before an Access that publishes its keys. */
export function accessBroker() {
  let broker: Broker;
  beforeEach(() => {
    serveCerts();
    broker = startBroker();
  });
  const mintHere = (headers: Headers, request: object = COUNTER): Promise<Reply> =>
    mint(headers, request, { front: broker.front });
  return {
    broker: () => broker,
    mint: mintHere,
    subjectOf: async (headers: Headers) => claimsOf(ticketOf(await mintHere(headers))).sub,
  };
}
