import { type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { Handover } from '../handover.ts';
import type { Keeper } from './keeper.ts';
import type { PlainPorts } from './plain.ts';

export interface UpgradePorts extends Pick<PlainPorts, 'ask' | 'arm' | 'met'> {
  readonly keeper: Pick<Keeper, 'admit' | 'isOpen' | 'opened'>;
}

/** Answers a request for a socket: burns its ticket, opens its session, and only then asks the agent. */
export async function answerUpgrade(handover: Handover, ports: UpgradePorts): Promise<Outcome<Response>> {
  const { keeper } = ports;
  const admitted = keeper.admit(handover);
  if (!admitted.ok) {
    // A replay is told of a little later.
    await ports.arm();
    return admitted;
  }
  await ports.met();
  const { id } = admitted.value;
  const answer = keeper.isOpen(id) ? await ports.ask() : undefined;
  // Whatever the agent said instead of accepting stays inside. Without a sweep no silent session would ever end.
  const accepted = answer?.status === 101 && (await ports.arm());
  const why = keeper.opened(id, accepted);
  // An accepted socket is closed by now with its reason, which only its client can read.
  return accepted ? ok(answer) : { ok: false, denial: why ?? { reason: 'agent_failed' } };
}
