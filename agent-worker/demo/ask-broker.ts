import { type Found, findTicket, type ReadTicket } from './ticket-text.ts';

/** Asks the broker for a ticket without any credential, which is enough for a public agent. */
export async function askForTicket(
  broker: string,
  agent: string,
  instance: string,
): Promise<Found<ReadTicket>> {
  let answer: Response;
  try {
    answer = await fetch(`${broker.replace(/\/$/, '')}/tickets`, {
      method: 'POST',
      credentials: 'omit',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ agent, instance }),
    });
  } catch (error) {
    // A browser does not tell a script whether nobody answered or the answer was not for this page.
    if (!(error instanceof TypeError)) throw error;
    return {
      ok: false,
      fault: `The broker at ${broker} did not answer this page. Look whether it runs, and whether its ALLOWED_ORIGINS names ${location.origin}: open the page at the address that npm start printed.`,
    };
  }
  if (answer.status === 429) {
    const seconds = answer.headers.get('retry-after') ?? '60';
    return { ok: false, fault: `Too many tickets for one address. Try again in ${seconds} seconds.` };
  }
  return findTicket(await answer.text());
}
