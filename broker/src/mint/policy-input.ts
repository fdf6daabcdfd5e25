import type { ControlStore } from '@agent-ticket/drizzle/control/store.ts';
import type { AgentRegistry } from '@agent-ticket/shared/registry.ts';
import { targetNameOfParty, targetNamesOfInstance } from '@agent-ticket/shared/target.ts';
import { partiesOf } from '../credentials/delegation.ts';
import { foldAddress } from '../credentials/email-address.ts';
import type { Authenticated, Principal } from '../credentials/principal.ts';
import { CLAIM_LAPSES_MS, type PolicyInput } from './policy.ts';

/** One instance of one agent. */
export interface AgentInstance {
  readonly agent: string;
  readonly instance: string;
}

export interface PolicyInputPorts {
  readonly registry: AgentRegistry;
  readonly control: Pick<ControlStore, 'readPolicy'>;
  /** Issuers whose verified addresses e-mail grants may match. */
  readonly config: { readonly trustEmail: readonly string[] };
}

/**
 * The question for the rows of one instance. `kid` names the key that would sign the ticket; it is left out where no
 * ticket is made. `now` in ms.
 */
export const questionAbout = (
  who: Authenticated,
  at: AgentInstance,
  now: number,
  ports: Pick<PolicyInputPorts, 'config'>,
  kid?: string,
) => ({
  ...questionOf(who, now, ports),
  at,
  targets: [...callerTargets(who, kid), ...targetNamesOfInstance(at)],
});

/** The input of `decide` for a request for one instance. Parameters as of {@link questionAbout}. */
export async function readPolicyInput(
  who: Authenticated,
  at: AgentInstance,
  now: number,
  ports: PolicyInputPorts,
  kid?: string,
): Promise<{ readonly input: PolicyInput }> {
  const { rev: _, ...rows } = await ports.control.readPolicy(questionAbout(who, at, now, ports, kid));
  return { input: { ...rows, registry: ports.registry, now } };
}

/** What is asked of the caller itself, wherever. `now` in ms. */
export const questionOf = (
  who: Authenticated,
  now: number,
  { config }: Pick<PolicyInputPorts, 'config'>,
) => ({
  principal: who.principal.id,
  subjects: subjectsOf(who.principal, config.trustEmail),
  claimsSince: now - CLAIM_LAPSES_MS,
  now,
});

/**
 * Every subject under which grants may name a principal: its id, its groups with their issuer, and its address where
 * the issuer is trusted for addresses and vouches for this one.
 */
function subjectsOf(principal: Principal, trustEmail: readonly string[]): string[] {
  const { id, issuer, groups, email, emailVerified } = principal;
  const vouched = emailVerified === true && trustEmail.includes(issuer);
  const address = vouched && email !== undefined ? foldAddress(email) : undefined;
  const domain = address?.slice(address.lastIndexOf('@') + 1);
  return [
    id,
    ...groups.map((group) => `group:${issuer}:${group}`),
    ...(address === undefined ? [] : [`email:${address}`, `email:*@${domain}`]),
  ];
}

/** Target names of the caller, of its actors, of its OAuth client and of its sign-in. */
export const callerTargets = (who: Authenticated, kid?: string): string[] => [
  ...partiesOf(who).map(targetNameOfParty),
  ...(who.login === undefined ? [] : [`login:${who.login}`]),
  ...(kid === undefined ? [] : [`key:${kid}`]),
];
