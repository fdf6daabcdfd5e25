import * as z from 'zod';
import type { ExitCode, Terminal } from '../command.ts';
import { findAccess } from './access.ts';
import { callBroker } from './ask-broker.ts';
import { json } from './plain-text.ts';
import type { Common } from './run-row.ts';
import { cell } from './show.ts';

export interface ExplainOptions extends Common {
  readonly agent: string;
  readonly instance?: string | undefined;
  readonly scope?: string | undefined;
  readonly principal?: string | undefined;
  readonly tier?: string | undefined;
  readonly permissions?: readonly string[] | undefined;
  readonly email?: string | undefined;
  readonly groups?: readonly string[] | undefined;
  readonly issuer?: string | undefined;
}

const Explained = z.object({
  principal: z.string(),
  allowed: z.boolean(),
  role: z.string().nullable(),
  scope: z.string().nullable(),
  would_claim: z.boolean(),
  would_deny: z.string().nullish(),
  rules: z.array(z.object({ rule: z.string(), holds: z.boolean() })),
  grants: z.array(z.object({ id: z.string(), subject: z.string(), instance: z.string(), role: z.string() })),
});

/** `agent-ticket explain`: whether a ticket request would be admitted now, rule by rule. 1 where it would not. */
export async function explain(options: ExplainOptions, terminal: Terminal): Promise<ExitCode> {
  const { agent, instance, scope, principal, tier, permissions, email, groups, issuer } = options;
  const access = await findAccess(options.profile, terminal);
  const body = { agent, instance, scope, principal, tier, permissions, email, groups, issuer };
  const answered = await callBroker({ method: 'POST', path: '/explain', body }, access, terminal);
  const explained = Explained.parse(answered.body);
  if (options.json) terminal.out(`${json(answered.body)}\n`);
  else {
    const { allowed, role, would_claim: claims, rules, grants } = explained;
    const verdict = allowed
      ? `allowed as ${cell(role)}${claims ? ', and would become the owner' : ''}`
      : 'refused';
    terminal.out(`${cell(explained.principal)}: ${verdict}\n`);
    if (allowed) terminal.out(`  scope  ${cell(explained.scope)}\n`);
    if (typeof explained.would_deny === 'string')
      terminal.out(`  until the end of the rollout; without it refused: ${cell(explained.would_deny)}\n`);
    for (const { rule, holds } of rules) terminal.out(`  ${holds ? 'holds ' : 'FAILS '} ${cell(rule)}\n`);
    for (const grant of grants)
      terminal.out(
        `  grant  ${cell(grant.id)} ${cell(grant.role)} on ${cell(grant.instance)} to ${cell(grant.subject)}\n`,
      );
  }
  return explained.allowed ? 0 : 1;
}
