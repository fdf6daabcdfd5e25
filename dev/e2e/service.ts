import { inject } from 'vitest';
import * as z from 'zod';
import { asOperator, post } from './broker.ts';

export interface Service {
  /** Of its token. */
  readonly id: string;
  readonly clientId: string;
  readonly headers: Readonly<Record<string, string>>;
}

const Made = z.object({ id: z.string(), client_id: z.string(), client_secret: z.string() });

/** A service token of its own, so that locks on it affect no other test. */
export async function makeService(): Promise<Service> {
  const made = await post(`${inject('stack').broker}/admin/service-tokens`, asOperator(), { name: 'own' });
  const { id, client_id: clientId, client_secret } = Made.parse(await made.json());
  return { id, clientId, headers: { authorization: `Basic ${btoa(`${clientId}:${client_secret}`)}` } };
}
