import { decodeJwt, type JWTPayload } from 'jose';
import * as z from 'zod';

/** The body of an answer, which is an object. */
export const bodyOf = async (answer: Response): Promise<Record<string, unknown>> =>
  z.record(z.string(), z.unknown()).parse(await answer.json());

/** The claims of the ticket in an answer of `/token` or `/tickets`. */
export async function ticketIn(answer: Response): Promise<JWTPayload> {
  const { access_token, ticket } = await bodyOf(answer);
  return decodeJwt(z.string().parse(access_token ?? ticket));
}
