/** Runs an agent's sweep now, whatever its schedule says. */
export async function sweepNow(agent: object): Promise<void> {
  if (!('ticketSweep' in agent) || typeof agent.ticketSweep !== 'function') throw new TypeError('no sweep');
  await agent.ticketSweep();
}
