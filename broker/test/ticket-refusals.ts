import { describeValues } from '@agent-ticket/shared/describe-values.ts';
import * as z from 'zod';
import { TicketRequest } from '../src/mint/ticket-request.ts';

const { properties = {} } = z.toJSONSchema(TicketRequest, { io: 'input', unrepresentable: 'any' });

/** The refusal of a member of a request for a ticket, with the values that it takes; `body`: of the whole. */
export function notValid(field: string, isMissing = false): string {
  const member = properties[field];
  const values = typeof member === 'object' ? describeValues(member) : 'an object';
  return `the request is not valid: ${field} (it ${isMissing ? 'is missing, and ' : ''}must be ${values})`;
}

export const UNKNOWN_MEMBER = `the request is not valid (a member is not known; members are: ${Object.keys(properties).join(', ')})`;
