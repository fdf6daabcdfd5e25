import './no-eval.ts';
import { readKeySet } from '@agent-ticket/shared/key-set.ts';
import { TICKET_ALGORITHMS } from '@agent-ticket/shared/ticket.ts';
import { isSound, type Verification } from '../src/audit/proof/verification.ts';
import { verifyExport } from '../src/audit/proof/verify.ts';

/** The verifier of the audit log, the same as the command line's. Loaded when it is asked for. */

export interface Proven {
  readonly isSound: boolean;
  readonly verification: Verification;
}

/** `undefined` where `keys` is no set of audit keys. */
export async function prove(
  lines: AsyncIterable<string>,
  keys: string,
  anchor: string | undefined,
): Promise<Proven | undefined> {
  const set = await readKeySet(new TextEncoder().encode(keys), TICKET_ALGORITHMS);
  if (set === undefined) return undefined;
  const verification = await verifyExport(lines, set, anchor);
  return { isSound: isSound(verification), verification };
}
