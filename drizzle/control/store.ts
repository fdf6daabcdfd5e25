import { REVOCATION_KEPT_MS } from '@agent-ticket/shared/revocation.ts';
import { type AgentRightsQuestion, type AgentRightsRows, readAgentRights } from './agent-rights.ts';
import { auditSealStore } from './audit-seal.ts';
import { authSessionStore, usedTokenStore } from './auth-sessions.ts';
import {
  type Change,
  type ControlDatabase,
  change,
  type OutboxCommand,
  type OutboxRow,
  outboxStore,
  revocationStore,
} from './change.ts';
import { dropGrantsOf, grantStore } from './grants.ts';
import { mintFactsReader } from './mint-facts.ts';
import { type CallerRows, type PolicyQuestion, type PolicyRows, readCaller, readPolicy } from './policy.ts';
import { principalStore } from './principals.ts';
import { agentWorkers } from './schema.ts';
import { serviceTokenStore } from './service-tokens.ts';
import { signingKeyStore } from './signing-keys.ts';
import { webhookStore } from './webhooks.ts';

/** The control database as the broker uses it. Every change of policy goes through {@link change}. */
export function controlStore(db: ControlDatabase) {
  const outbox = outboxStore(db);
  const revocations = revocationStore(db);
  return {
    grants: grantStore(db),
    revocations,
    keys: signingKeyStore(db),
    serviceTokens: serviceTokenStore(db),
    authSessions: authSessionStore(db),
    principals: principalStore(db),
    usedTokens: usedTokenStore(db),
    auditSeal: auditSealStore(db),
    outbox,
    webhooks: webhookStore(db),

    agentWorkers: {
      /** Notes the digest of the agents that a worker says it serves. `now` in ms. */
      async note(audience: string, digest: string, now: number): Promise<void> {
        const row = { digest, answeredAt: now };
        await db
          .insert(agentWorkers)
          .values({ audience, ...row })
          .onConflictDoUpdate({ target: agentWorkers.audience, set: row });
      },

      /** Every worker that ever answered: few, and some of earlier configurations. */
      list: (): Promise<(typeof agentWorkers.$inferSelect)[]> => db.select().from(agentWorkers),
    },

    readPolicy: (question: PolicyQuestion): Promise<PolicyRows> => readPolicy(db, question),
    readCaller: (principal: string, targets: readonly string[], now: number): Promise<CallerRows> =>
      readCaller(db, principal, targets, now),
    readMintFacts: mintFactsReader(db),
    readAgentRights: (question: AgentRightsQuestion): Promise<AgentRightsRows> =>
      readAgentRights(db, question),
    change: (wanted: Change): Promise<OutboxRow | undefined> => change(db, wanted),

    /**
     * Completes the deletion of an instance after its object was destroyed: drops its old grants, including deleted
     * ones, lifts the lock and deletes the outbox row. One batch, so that the instance never opens with old grants.
     * `now` in ms.
     */
    async finishDeletion(
      id: string,
      command: Extract<OutboxCommand, { op: 'destroy' }>,
      now: number,
    ): Promise<void> {
      await db.batch([
        ...dropGrantsOf(db, command),
        revocations.lift(command.lock, now),
        revocations.endAt(command.id, now + REVOCATION_KEPT_MS),
        outbox.remove(id),
      ]);
    },
  };
}
export type ControlStore = ReturnType<typeof controlStore>;
