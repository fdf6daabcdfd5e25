import { describeAuditEvents } from './audit-events.ts';
import { describeAuditLog } from './audit-log.ts';
import { describeAuthSessions } from './auth-sessions.ts';
import type { OpenDatabases } from './databases.ts';
import { describeDeliver } from './deliver.ts';
import { describeGrants } from './grants.ts';
import { describeKeyRevocation } from './key-revocation.ts';
import { describeLocks } from './locks.ts';
import { describeMistakes } from './mistakes.ts';
import { describePolicy } from './policy.ts';
import { describeRates } from './rates.ts';
import { describeRecalls } from './recalls.ts';
import { describeRecordLocks } from './record-locks.ts';
import { describeRecordSessions } from './record-sessions.ts';
import { describeServiceTokens } from './service-tokens.ts';
import { describeSessionActors } from './session-actors.ts';
import { describeSessionLists } from './session-lists.ts';
import { describeSigningKeys } from './signing-keys.ts';
import { describeTokenLife } from './token-life.ts';

/** Every query of the data room, on one driver. */
export function describeQueries(open: OpenDatabases): void {
  describeSigningKeys(open);
  describeServiceTokens(open);
  describeTokenLife(open);
  describePolicy(open);
  describeGrants(open);
  describeLocks(open);
  describeKeyRevocation(open);
  describeAuditEvents(open);
  describeAuthSessions(open);
  describeAuditLog(open);
  describeRecordSessions(open);
  describeSessionLists(open);
  describeRecordLocks(open);
  describeRecalls(open);
  describeSessionActors(open);
  describeDeliver(open);
  describeMistakes(open);
  describeRates(open);
}
