import { scopesPerAgent } from './agent-table.ts';
import { auditTypes, keyStates } from './audit-tables.ts';
import { claims } from './claim-table.ts';
import { closes, denials, errors } from './denial-tables.ts';
import { limitTable, rateLimits, strangerLimits } from './limit-table.ts';
import { people } from './people-table.ts';
import { claimLimits, exposure, policyRules } from './policy-tables.ts';
import { routes } from './route-table.ts';
import { agentWorkerSettings, brokerSettings, nodeSettings } from './settings-tables.ts';

/** What may stand between `<!-- generated: NAME -->` and `<!-- end generated -->`. */
export const GENERATORS: Readonly<Record<string, () => string>> = {
  errors,
  closes,
  denials,
  limits: () => limitTable(),
  'scopes-per-agent': () => scopesPerAgent(),
  claims,
  'audit-types': auditTypes,
  'key-states': keyStates,
  'rate-limits': rateLimits,
  'stranger-limits': strangerLimits,
  'policy-rules': policyRules,
  'claim-limits': claimLimits,
  exposure,
  routes,
  people,
  'settings-broker': brokerSettings,
  'settings-node': nodeSettings,
  'settings-agent-worker': agentWorkerSettings,
};
