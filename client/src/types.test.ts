import type { AgentClientOptions } from 'agents/client';
import type { useAgent } from 'agents/react';
import { expectTypeOf, test } from 'vitest';
import type { AgentOptions, Credential, TicketProvider, TicketProviderOptions } from './provider.ts';

/** What the compiler refuses. Checked by `tsc`; running the file asserts nothing more. */

type Options = TicketProviderOptions;
const place = { broker: 'https://broker.example.com', host: 'agents.example.com', agent: 'chat' };

test('what a provider returns fits the stock clients unchanged', () => {
  expectTypeOf<AgentOptions>().toExtend<Parameters<typeof useAgent>[0]>();
  expectTypeOf<AgentOptions>().toExtend<AgentClientOptions>();
  expectTypeOf<Awaited<ReturnType<TicketProvider['headers']>>>().toExtend<HeadersInit>();
  type Minted = Awaited<ReturnType<TicketProvider['mint']>>;
  expectTypeOf<[Minted['url'], Minted['protocols']]>().toExtend<ConstructorParameters<typeof WebSocket>>();
});

test('a credential is one kind, whole', () => {
  expectTypeOf({ kind: 'session' } as const).toExtend<Credential>();
  // @ts-expect-error a credential is required
  place satisfies Options;
  // @ts-expect-error an access token comes from a function, so that it can be fresh
  ({ ...place, credential: { kind: 'access-token', token: 'x' } }) satisfies Options;
  // @ts-expect-error the function answers a token or nothing
  ({ ...place, credential: { kind: 'access-token', get: async () => 1 } }) satisfies Options;
  // @ts-expect-error a service token is an id and a secret
  ({ ...place, credential: { kind: 'service-token', clientId: 'x' } }) satisfies Options;
  // @ts-expect-error a session has no secret that an app could hold
  ({ ...place, credential: { kind: 'session', token: 'x' } }) satisfies Options;
  // @ts-expect-error no other kind exists
  ({ ...place, credential: { kind: 'cookie' } }) satisfies Options;
});

test('an option that is misspelt or impossible is no option', () => {
  const credential = { kind: 'session' } as const;
  // @ts-expect-error browsers have no header for it
  ({ ...place, credential, delivery: 'authorization' }) satisfies Options;
  // @ts-expect-error it is called instance here, whatever a client calls it
  ({ ...place, credential, name: 'ada' }) satisfies Options;
  // @ts-expect-error scopes are one text, separated by spaces
  ({ ...place, credential, scope: ['agent:connect'] }) satisfies Options;
});

test('members of a provider are read-only', () => {
  expectTypeOf<TicketProvider>().toHaveProperty('refusal');
  const write = (ticket: TicketProvider): void => {
    // @ts-expect-error a refusal comes from broker or gate
    ticket.refusal = undefined;
  };
  expectTypeOf(write).toBeFunction();
});
