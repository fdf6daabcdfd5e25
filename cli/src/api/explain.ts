import * as z from 'zod';
import type { ExitCode, Terminal } from '../command.ts';
import type { Json } from './client.ts';
import { json } from './plain-text.ts';
import { cell } from './show.ts';

const Explanation = z.object({
  principal: z.string(),
  allowed: z.boolean(),
  role: z.string().nullable(),
  scope: z.string().nullable(),
  would_claim: z.boolean(),
  would_deny: z.string().nullable(),
  rules: z.array(z.object({ rule: z.string(), holds: z.boolean() })),
  grants: z.array(z.object({ id: z.string(), subject: z.string(), instance: z.string(), role: z.string() })),
});

/** Shows a decision rule by rule. Exit code 1 where the request would be refused. */
export function showExplanation(body: Json, isJson: boolean, terminal: Terminal): ExitCode {
  const explained = Explanation.parse(body);
  const { allowed, role, would_claim: claims, would_deny: wouldDeny, rules, grants } = explained;
  if (isJson) terminal.out(`${json(body)}\n`);
  else {
    const verdict = allowed
      ? `allowed as ${cell(role)}${claims ? ', and would become the owner' : ''}`
      : 'refused';
    terminal.out(`${cell(explained.principal)}: ${verdict}\n`);
    if (allowed) terminal.out(`  scope  ${cell(explained.scope)}\n`);
    if (wouldDeny !== null)
      terminal.out(`  until the end of the rollout; without it refused: ${cell(wouldDeny)}\n`);
    for (const { rule, holds } of rules) terminal.out(`  ${holds ? 'holds ' : 'FAILS '} ${cell(rule)}\n`);
    for (const { id, role: given, instance, subject } of grants)
      terminal.out(`  grant  ${cell(id)} ${cell(given)} on ${cell(instance)} to ${cell(subject)}\n`);
  }
  return allowed ? 0 : 1;
}
