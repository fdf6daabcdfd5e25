import { DENIALS, type Denial, type DenialReason } from '@agent-ticket/shared/denial.ts';

/** How an object tells the gate that it refused: the gate owns what a client sees of it. */
const HEADER = 'x-agent-ticket-denial';

export const denialAnswer = (denial: Denial): Response =>
  new Response(null, { status: 403, headers: { [HEADER]: denial.reason } });

/** The refusal inside an object's answer, if it is one. */
export function denialOf(answer: Response): Denial | undefined {
  const reason = answer.headers.get(HEADER);
  return reason !== null && isReason(reason) ? { reason } : undefined;
}

const isReason = (text: string): text is DenialReason => Object.hasOwn(DENIALS, text);
