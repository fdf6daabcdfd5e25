import type { Role } from '@agent-ticket/shared/names.ts';
import { findAgent, roleScopes } from '@agent-ticket/shared/registry.ts';
import { formatScope } from '@agent-ticket/shared/scope.ts';
import { vi } from 'vitest';
import { AGENTS } from '../../agents.ts';
import { createTestIssuer, makeSigner, type Signing, type TicketShape } from '../src/testing.ts';

/** Settings of the worker under test, as the vitest configuration gives them. */
export const ISSUER = 'http://127.0.0.1:8787';
export const AUDIENCE = 'agents.test';
export const ORIGIN = 'https://app.test';

/**
 * The clock of every test, in seconds. Far ahead of any machine's, so that no alarm rings before a test rings it:
 * the runtime compares alarms with its own clock, which nothing here can move.
 */
export const NOW = 4_000_000_000;

/** The broker's key, its next one, and one that it never published. */
export const signer = await makeSigner('ES256');
export const nextSigner = await makeSigner('Ed25519');
export const unknownSigner = await makeSigner('ES256');

export const SUBJECT = 'auth0:tenant.example:auth0|42';

/** What a role may do with an agent of the example registry. */
export function rights(slug: string, role: Role): { role: Role; scope: string } {
  const entry = findAgent(AGENTS, slug);
  if (entry === undefined) throw new TypeError(`no agent ${slug}`);
  return { role, scope: formatScope(roleScopes(entry, role)) };
}

const signed: string[] = [];
/** Every ticket of the running file, to look for where none may be. */
export const signedTickets = (): readonly string[] => signed;

const issuer = await createTestIssuer({
  issuer: ISSUER,
  audience: AUDIENCE,
  agents: AGENTS,
  signers: [signer, nextSigner],
});

/** A ticket issued now for the counter's `room-1` with a viewer's rights, some claims and header members replaced. */
export async function makeTicket(claims: TicketShape = {}, signing: Signing = {}): Promise<string> {
  const text = await issuer.ticket(claims, signing);
  signed.push(text);
  return text;
}

let day = 7;

/**
 * Sets the clock days later than any other test, each time, and answers it in seconds. The worker that ships keeps its
 * keys from file to file, and at a time before that of its keys they look new for ever.
 */
export function newDay(): number {
  day += 1;
  const now = NOW + day * 24 * 3600;
  vi.setSystemTime(now * 1000);
  return now;
}

/** An instance that no other test touches. */
export const newInstance = (): string => `room-${crypto.randomUUID()}`;
