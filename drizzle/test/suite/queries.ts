import { describeAgentRights } from './agent-rights.ts';
import { describeAuditEvents } from './audit-events.ts';
import { describeAuditLog } from './audit-log.ts';
import { describeAuthSessions } from './auth-sessions.ts';
import { describeBoundedLists } from './bounded-lists.ts';
import { describeChange } from './change.ts';
import type { OpenDatabases } from './databases.ts';
import { describeDeliver } from './deliver.ts';
import { describeGrants } from './grants.ts';
import { describeKeyRevocation } from './key-revocation.ts';
import { describeMintFacts } from './mint-facts.ts';
import { describeMistakes } from './mistakes.ts';
import { describePolicy } from './policy.ts';
import { describePrincipals } from './principals.ts';
import { describeRates } from './rates.ts';
import { describeRecordRevocations } from './record-revocations.ts';
import { describeRecordSessions } from './record-sessions.ts';
import { describeRevocations } from './revocations.ts';
import { describeServiceTokens } from './service-tokens.ts';
import { describeSessionLists } from './session-lists.ts';
import { describeSessionParties } from './session-parties.ts';
import { describeSigningKeys } from './signing-keys.ts';
import { describeTokenLife } from './token-life.ts';

/** Every query of both databases, on one driver. */
export function describeQueries(open: OpenDatabases): void {
  describeSigningKeys(open);
  describeServiceTokens(open);
  describeTokenLife(open);
  describePolicy(open);
  describeMintFacts(open);
  describeAgentRights(open);
  describeGrants(open);
  describeRevocations(open);
  describeBoundedLists(open);
  describeChange(open);
  describeKeyRevocation(open);
  describeAuditEvents(open);
  describeAuthSessions(open);
  describePrincipals(open);
  describeAuditLog(open);
  describeRecordSessions(open);
  describeSessionLists(open);
  describeRecordRevocations(open);
  describeSessionParties(open);
  describeDeliver(open);
  describeMistakes(open);
  describeRates(open);
}
