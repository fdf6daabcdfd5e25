import { TIERS, Tier } from '@agent-ticket/shared/names.ts';
import * as z from 'zod';
import { type Identity, type Principal, plainPrincipal, type Source } from './principal.ts';

const Scalar = z.union([z.string(), z.number(), z.boolean()]);

const WAYS = {
  /** A claim's name, or the path to a nested one. */
  claim: z.union([z.string().min(1), z.array(z.string().min(1)).min(1)]),
  equals: Scalar.optional(),
  one_of: z.array(Scalar).min(1).optional(),
  /** `*` matches any run of characters; nothing else is special. */
  glob: z.string().min(1).optional(),
};

const hasOneWay = (rule: { equals?: unknown; one_of?: unknown; glob?: unknown }): boolean =>
  [rule.equals, rule.one_of, rule.glob].filter((way) => way !== undefined).length === 1;
const ONE_WAY = { message: 'needs exactly one of equals, one_of, glob' };

/** What a claim must be. */
export const ClaimMatch = z.strictObject(WAYS).refine(hasOneWay, ONE_WAY);
export type ClaimMatch = z.infer<typeof ClaimMatch>;

/**
 * What a verified claim is worth here. Without a rule an identity has the free tier and no permission, whatever its
 * issuer calls it.
 */
export const ClaimRule = z
  .strictObject({
    /** `iss`, character by character. */
    issuer: z.string().min(1),
    ...WAYS,
    tier: Tier.optional(),
    permissions: z.array(z.string().min(1).max(128)).min(1).optional(),
    groups: z.array(z.string().min(1).max(128)).min(1).optional(),
  })
  .refine(hasOneWay, ONE_WAY)
  .refine((rule) => rule.tier !== undefined || rule.permissions !== undefined || rule.groups !== undefined, {
    message: 'gives nothing: needs tier, permissions or groups',
  });
export type ClaimRule = z.infer<typeof ClaimRule>;

/** The rules that give a permission which nothing asks for: it is misspelt. By their place, from 1, and without a value. */
export const claimRuleFaults = (rules: readonly ClaimRule[], known: readonly string[]): string[] =>
  rules.flatMap(({ permissions = [] }, index) =>
    permissions.every((name) => known.includes(name))
      ? []
      : [`CLAIM_RULES: in number ${index + 1} permissions: is not a permission`],
  );

/** Verified claims by name. */
export type Claims = Readonly<Record<string, unknown>>;

/** Gives an identity what the rules of its issuer make of its claims. A claim that is a list matches by any member. */
export function applyClaimRules(identity: Identity, claims: Claims, rules: readonly ClaimRule[]): Principal {
  const given: Source[] = [];
  rules.forEach((rule, index) => {
    if (rule.issuer !== identity.issuer || !matchesClaim(rule, claims)) return;
    const from = `claim rule ${index + 1}` as const;
    if (rule.tier !== undefined) given.push({ gives: 'tier', value: rule.tier, from });
    for (const value of rule.permissions ?? []) given.push({ gives: 'permission', value, from });
    for (const value of rule.groups ?? []) given.push({ gives: 'group', value, from });
  });
  const plain = plainPrincipal(identity);
  const values = (gives: Source['gives']): string[] => [
    ...new Set(given.filter((source) => source.gives === gives).map((source) => source.value)),
  ];
  const tiers = values('tier');
  const sources = tiers.length > 0 ? given : [...plain.sources, ...given];
  return {
    ...plain,
    tier: TIERS.findLast((tier) => tiers.includes(tier)) ?? plain.tier,
    permissions: values('permission'),
    groups: values('group'),
    sources,
  };
}

/** Whether some rule of an issuer looks at a claim. */
export const rulesAsk = (rules: readonly ClaimRule[], issuer: string, claim: string): boolean =>
  rules.some((rule) => rule.issuer === issuer && pathOf(rule)[0] === claim);

const pathOf = ({ claim }: ClaimMatch): readonly string[] => (typeof claim === 'string' ? [claim] : claim);

/** Whether a claim is what the rule wants. A claim that is not there is nothing. */
export function matchesClaim(rule: ClaimMatch, claims: Claims): boolean {
  const value = pathOf(rule).reduce<unknown>(member, claims);
  return (Array.isArray(value) ? value : [value]).some((item) => matchesOne(rule, item));
}

const member = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null
    ? new Map<string, unknown>(Object.entries(value)).get(name)
    : undefined;

function matchesOne(rule: ClaimMatch, value: unknown): boolean {
  if (rule.equals !== undefined) return value === rule.equals;
  if (rule.one_of !== undefined) return rule.one_of.some((known) => known === value);
  return rule.glob !== undefined && typeof value === 'string' && matchesGlob(rule.glob, value);
}

/** Whole-text match in linear steps; no regular expression, so no text can make it slow. */
export function matchesGlob(glob: string, text: string): boolean {
  const [head = '', ...parts] = glob.split('*');
  const tail = parts.pop();
  if (tail === undefined) return text === head;
  if (text.length < head.length + tail.length || !text.startsWith(head) || !text.endsWith(tail)) return false;
  const end = text.length - tail.length;
  let from = head.length;
  for (const part of parts) {
    const at = text.indexOf(part, from);
    if (at < 0 || at + part.length > end) return false;
    from = at + part.length;
  }
  return true;
}
