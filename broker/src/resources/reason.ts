import type { Outcome } from '@agent-ticket/shared/outcome.ts';
import * as z from 'zod';
import { refuseCredentials } from '../credentials/secret-in-text.ts';
import { readQuery } from '../http/query.ts';

/** Why an operator does something, for the audit log. */
export const Reason = z.string().trim().min(1).max(500);

/** The reason of a call that has no body. */
export const ReasonQuery = z.object({ reason: Reason.optional() });

/** Reads {@link ReasonQuery}. It is stored, so a credential in it is refused. */
export function readReason({ url }: Request): Outcome<z.output<typeof ReasonQuery>> {
  const query = readQuery(url, ReasonQuery);
  return query.ok ? refuseCredentials(query.value) : query;
}

/** A reason as a member of the details of an event. */
export const reasonOf = ({ reason }: z.output<typeof ReasonQuery>): { readonly reason?: string } =>
  reason === undefined ? {} : { reason };
