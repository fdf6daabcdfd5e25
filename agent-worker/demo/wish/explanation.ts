import { listOf, membersOf, textOr } from '../json.ts';

/** What `POST /explain` of the broker says about a wish. */
export interface Explanation {
  readonly allowed: boolean;
  readonly role: string | undefined;
  readonly scope: string | undefined;
  readonly wouldClaim: boolean;
  /** Every rule up to the one that refused. */
  readonly rules: readonly { readonly rule: string; readonly holds: boolean }[];
  readonly grants: readonly string[];
}

export function readExplanation(body: unknown): Explanation | undefined {
  const { allowed, role, scope, would_claim: wouldClaim, rules, grants } = membersOf(body);
  if (typeof allowed !== 'boolean') return undefined;
  return {
    allowed,
    role: textOr(role, undefined),
    scope: textOr(scope, undefined),
    wouldClaim: wouldClaim === true,
    rules: listOf(rules).map((each) => {
      const { rule, holds } = membersOf(each);
      return { rule: textOr(rule, '?'), holds: holds === true };
    }),
    grants: listOf(grants).map((each) => {
      const { role: given, instance, subject } = membersOf(each);
      return `${textOr(given, '?')} on instance ${textOr(instance, '?')}, given to ${textOr(subject, '?')}`;
    }),
  };
}

/** The decision in one or two sentences. */
export function verdictOf({ allowed, role, scope, wouldClaim, rules }: Explanation): string {
  if (allowed) return `Allowed, with the role ${role}. A ticket would carry: ${scope}.`;
  if (wouldClaim) return 'Nobody owns this instance yet. Asking for a ticket makes you its owner.';
  const broken = rules.find(({ holds }) => !holds);
  return broken === undefined ? 'Refused.' : `Refused, because this does not hold: ${broken.rule}.`;
}

/** Why somebody has the role that they have. */
export function describeGrants({ grants, role }: Explanation): string {
  if (grants.length > 0) return `Grants that count: ${grants.join('; ')}.`;
  return role === undefined
    ? 'No grant names you here.'
    : `No grant names you here: the agent itself makes you ${role}.`;
}
