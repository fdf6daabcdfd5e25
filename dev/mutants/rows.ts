// biome-ignore-all lint/suspicious/noTemplateCurlyInString: originals and replacements are code.
/** Changes that each remove or weaken one condition of security, and the tests of which at least one must fail. */

export interface Mutant {
  /** From the root of the repository. */
  readonly file: string;
  /** Occurs exactly once in the file. */
  readonly original: string;
  readonly replacement: string;
  /** Test files, from the root. */
  readonly tests: readonly string[];
}

const of = (
  file: string,
  tests: readonly string[],
  changes: readonly (readonly [original: string, replacement: string])[],
): readonly Mutant[] => changes.map(([original, replacement]) => ({ file, original, replacement, tests }));

const TICKET_TESTS = ['', '-claims', '-header', '-signature', '-spelling'].map(
  (part) => `shared/src/verify-ticket${part}.test.ts`,
);
const POLICY_TESTS = ['', '-claims', '-rights', '-rollout', '-properties'].map(
  (part) => `broker/src/mint/policy${part}.test.ts`,
);
const inNode = (name: string): string => `broker/test/node/${name}.test.ts`;
const RESTORE_TESTS = [inNode('restore')];
const ARCHIVE_TESTS = ['audit-archive', 'archive-stops', 'archive-faults'].map(inNode);
const QUERY_TESTS = ['drizzle/test/libsql/queries.test.ts'];

export const MUTANTS: readonly Mutant[] = [
  ...of('shared/src/verify-ticket.ts', TICKET_TESTS, [
    ['(c, e) => c.iss === e.issuer', '() => true'],
    ['(c, e) => c.aud === e.audience', '() => true'],
    [
      'Math.max(c.nbf, c.iat) <= e.nowSeconds + CLOCK_SKEW_SECONDS]',
      'c.iat <= e.nowSeconds + CLOCK_SKEW_SECONDS]',
    ],
    ['<= e.nowSeconds + CLOCK_SKEW_SECONDS]', '<= e.nowSeconds + 2 * CLOCK_SKEW_SECONDS]'],
    ['e.nowSeconds < c.exp + CLOCK_SKEW_SECONDS', 'e.nowSeconds <= c.exp + CLOCK_SKEW_SECONDS'],
    ['e.nowSeconds < c.exp + EXPIRED_GRACE_SECONDS', 'true'],
    ['c.agent === e.route.agent', 'c.agent.startsWith(e.route.agent)'],
    ['c.instance === e.route.instance', 'true'],
    ['e.transport === undefined || c.transport === e.transport', 'true'],
    ['covers(c.scope, e.scope)', 'c.scope.length > 0'],
    ['maxBytes: TICKET_MAX_BYTES', 'maxBytes: 2 * TICKET_MAX_BYTES'],
    ['header.typ === TICKET_TYPE', 'true'],
  ]),
  ...of(
    'shared/src/own-jws.ts',
    [...TICKET_TESTS, 'shared/src/own-jws.test.ts', 'shared/src/own-jws-kinds.test.ts'],
    [
      ['text.length <= maxBytes && COMPACT', 'COMPACT'],
      ["&& text.split('.').every(isCanonicalBase64url)", ''],
      ['header.data.typ !== typ', 'false'],
      ['if (found.value.alg !== alg)', 'if (false)'],
      ['if (payload === undefined) return', 'if (false) return'],
      ['if (spare === 1) return false;', ''],
      ['& lowBits) === 0', '& lowBits) >= 0'],
      ['spare === 2 ? 0b1111 : 0b11', '0b11'],
      [
        "const Header = z.strictObject({ alg: z.enum(['ES256', 'Ed25519'])",
        "const Header = z.object({ alg: z.enum(['ES256', 'Ed25519'])",
      ],
      ['{ algorithms: [alg] }', '{}'],
    ],
  ),
  ...of('shared/src/ticket.ts', TICKET_TESTS, [
    ['c.exp > c.iat && ', ''],
    ['c.exp - c.iat <= TICKET_TTL_SECONDS.max', 'c.exp - c.iat <= 10 * TICKET_TTL_SECONDS.max'],
    ['(c) => c.nbf <= c.exp', '() => true'],
    ['export const TicketClaims = z\n  .strictObject({', 'export const TicketClaims = z\n  .looseObject({'],
    ['const NumericDate = z.int().nonnegative();', 'const NumericDate = z.number();'],
    ['rev: z.int().nonnegative(),', 'rev: z.int().nonnegative().default(Number.MAX_SAFE_INTEGER),'],
  ]),
  ...of(
    'shared/src/revocation.ts',
    ['shared/src/revocation.test.ts'],
    [
      ['names.includes(row.target) &&', ''],
      ['row.until === null || row.until > now', 'row.until === null || row.until >= now'],
      ['row.until === null || row.until > now', 'row.until !== null && row.until > now'],
      ["row.kind === 'any' || rev < row.rev", "row.kind === 'any' || rev <= row.rev"],
      ["row.kind === 'any' || rev < row.rev", 'rev < row.rev'],
      [
        'REVOCATION_CODES.find((code) => codes.includes(code))',
        'REVOCATION_CODES.findLast((code) => codes.includes(code))',
      ],
    ],
  ),
  ...of(
    'shared/src/scope.ts',
    ['shared/src/scope.test.ts'],
    [
      ["needed.startsWith('agent:rpc:') && held.includes(RPC_ANY)", 'held.includes(RPC_ANY)'],
      ["needed.startsWith('agent:tool:') && held.includes(TOOL_ANY)", 'held.includes(TOOL_ANY)'],
      ['scope === CONNECT || covers(allowed, scope)', 'scope === CONNECT || allowed.length > 0'],
      ['if (!wanted.every(', 'if (!wanted.some('],
    ],
  ),
  ...of(
    'shared/src/names.ts',
    ['shared/src/names.test.ts'],
    [
      ["  .refine((name) => name !== 'sub')\n", ''],
      ['.regex(/^[A-Za-z0-9_-]{1,128}$/)', '.regex(/^[A-Za-z0-9_%-]{1,128}$/)'],
      ['TIERS.indexOf(held) >= TIERS.indexOf(needed)', 'TIERS.indexOf(held) <= TIERS.indexOf(needed)'],
    ],
  ),
  ...of(
    'shared/src/key-set.ts',
    ['shared/src/key-set.test.ts'],
    [
      ['|| keys.has(jwk.data.kid)', ''],
      ['return keys.size > 0 ? keys : undefined;', 'return keys;'],
      [
        'key instanceof Uint8Array || isShort(key) ? undefined : key',
        'key instanceof Uint8Array ? undefined : key',
      ],
      ['algorithm.modulusLength < MIN_RSA_BITS', 'algorithm.modulusLength <= MIN_RSA_BITS'],
      ["const use = z.literal('sig').optional();", 'const use = z.string().optional();'],
      [".refine((operations) => operations.includes('verify'))", ''],
      ["e: z.literal('AQAB'),", 'e: Member,'],
      ['.array(z.unknown()).max(100)', '.array(z.unknown())'],
    ],
  ),
  ...of(
    'shared/src/remote-keys.ts',
    ['shared/src/remote-keys.test.ts', 'shared/src/remote-keys-outage.test.ts'],
    [
      [
        'if (key !== undefined && age() <= KEY_SET.freshMs) return key;',
        'if (key !== undefined) return key;',
      ],
      ["held.at >= askedAt) return 'unknown';", 'held.at >= askedAt) await ports.sleep(1);'],
      ['const readyAt = lastTry[why] + cooldownMs;', 'const readyAt = lastTry[why];'],
      ['clock() - running <= KEY_SET.timeoutMs', 'true'],
      ['(held === undefined || held.at <= startedAt)', 'true'],
      ['if (keys !== undefined && (held', 'if ((held'],
    ],
  ),
  ...of(
    'shared/src/handshake.ts',
    ['shared/src/handshake.test.ts'],
    [
      ["others.length === 0 ? ok(first) : err('ticket_delivered_twice')", 'ok(first)'],
      ["if (first === undefined) return err('ticket_missing');", ''],
      ['!tickets.includes(name) && ', ''],
      ['!looksLikeTicket(name) && redact(name) === name', 'true'],
    ],
  ),
  ...of('broker/src/mint/policy.ts', POLICY_TESTS, [
    ["isAnonymousCaller(c) && c.entry?.access !== 'public' ?", 'false ?'],
    ["(isSignedOut(c) ? 'credential_revoked' : undefined)", 'undefined'],
    ["(isVisible(c) ? undefined : 'agent_invisible')", 'undefined'],
    ["(hasInstance(c) ? undefined : 'instance_unlisted')", 'undefined'],
    ["c.entry?.access === 'first-user' && c.request.instance === undefined ?", 'false ?'],
    ['c.input.revocations.length > 0 ?', 'c.input.revocations.length > 1 ?'],
    ['tierAtLeast(c.who.principal.tier, c.entry.requiredTier)', 'true'],
    ['c.rollout !== undefined || holdsPermissions(c) ?', 'true ?'],
    ["(c.role === undefined ? 'claim_limit_reached' : undefined)", 'undefined'],
    ["c.entry?.transport === 'sse' && c.request.transport === 'websocket'", 'false'],
    ["(c.scope === undefined ? 'scope_outside_role' : undefined)", 'undefined'],
    ["|| who.method === 'anonymous') return enforced;", ') return enforced;'],
    ['|| !WAIVED.includes(enforced.reason)', ''],
    ["  'grant_missing',\n];", "  'grant_missing',\n  'locked',\n];"],
    ['lasts(grant, given.now) && !mayLapse(grant, given.now)', 'lasts(grant, given.now)'],
    ['lasts(grant, given.now) && !mayLapse(grant, given.now)', '!mayLapse(grant, given.now)'],
    ['claim === undefined || isOverClaimLimit(input) ?', 'claim === undefined ?'],
    ['claimed && openedAt === null', 'openedAt === null'],
    ['openedAt === null && deletedAt === null', 'openedAt === null'],
    ['createdAt < now - CLAIM_LAPSES_MS', 'createdAt < now'],
    ["method !== 'anonymous' && principal.kind === 'user' && entry", "method !== 'anonymous' && entry"],
    ['others.length > 0 || (owner', '(owner'],
    ['owner !== undefined && !mayLapse(owner, now)', 'false'],
    ['claims >= MAX_CLAIMS', 'claims > MAX_CLAIMS'],
    ['(who.agents !== undefined && !who.agents.includes(entry.slug))', 'false'],
    ["entry.access === 'grant' ? role !== undefined : true", 'true'],
    ["who.principal.kind === 'user' ||\n", ''],
    [
      '.every((p) => who.principal.permissions.includes(p))',
      '.some((p) => who.principal.permissions.includes(p))',
    ],
    ["(entry.access === 'viewer' && who.method !== 'anonymous')", "entry.access === 'viewer'"],
    [
      'Math.min(seconds(now) + sessionSeconds, who.expiresAt ?? Number.POSITIVE_INFINITY)',
      'seconds(now) + sessionSeconds',
    ],
    ['Math.min(most, seconds(now) + ROLLOUT_SESSION_SECONDS, seconds(rollout.until))', 'most'],
    ['sessionExpiry: Math.min(most, Math.floor((grant?.end ?? 0) / 1000))', 'sessionExpiry: most'],
    ['.sort((a, b) => b.end - a.end)', '.sort((a, b) => a.end - b.end)'],
    ['ROLES.findLast((role) => held.includes(role))', 'ROLES.find((role) => held.includes(role))'],
    ['target === `login:${who.login}`', 'target === who.login'],
  ]),
  ...of(
    'broker/src/credentials/claim-rules.ts',
    ['broker/src/credentials/claim-rules.test.ts'],
    [
      ['rule.issuer !== identity.issuer || !matchesClaim(rule, claims)', '!matchesClaim(rule, claims)'],
      ['rule.issuer !== identity.issuer || !matchesClaim(rule, claims)', 'rule.issuer !== identity.issuer'],
      ['.some((item) => matchesOne(rule, item))', '.every((item) => matchesOne(rule, item))'],
      ['(way) => way !== undefined).length === 1', '(way) => way !== undefined).length >= 1'],
    ],
  ),
  ...of(
    'broker/src/http/client-address.ts',
    ['broker/src/http/client-address.test.ts'],
    [
      ['while (isTrusted(address)) {', 'while (hops.length > 0) {'],
      ['hops.pop()', 'hops.shift()'],
      ['if (hop === undefined) return address;', 'if (hop === undefined) return null;'],
      ['parts.every((part) => part <= 255)', 'parts.length === 4'],
    ],
  ),
  ...of(
    'broker/src/keys/schedule.ts',
    ['broker/src/keys/schedule.test.ts'],
    [
      ["if (row.revokedAt !== null) return 'revoked';", ''],
      ['row.removedAt !== null && now >= row.removedAt', 'row.removedAt !== null && now > row.removedAt'],
      ['row.retiresAt !== null && now >= row.retiresAt', 'row.retiresAt !== null && now > row.retiresAt'],
      ['!(leadMs >= LEAST_LEAD_MS) &&', 'false &&'],
      ['!(lagMs >= LEAST_LAG_MS) &&', 'false &&'],
      ['Math.min(JWKS_MAX_AGE_SECONDS, ...left', 'Math.max(JWKS_MAX_AGE_SECONDS, ...left'],
    ],
  ),
  ...of(
    'broker/src/keys/seal.ts',
    ['broker/src/keys/seal.test.ts'],
    [
      ['JSON.stringify([purpose, alg, kid])', 'JSON.stringify([purpose, alg])'],
      ['JSON.stringify([purpose, alg, kid])', 'JSON.stringify([alg, kid])'],
      ['if (!jwk.success) return undefined;', ''],
    ].map(([original = '', replacement = '']) => [original, replacement] as const),
  ),
  ...of('broker/src/keys/keyring.ts', RESTORE_TESTS, [
    ['const material = isRevoked ? undefined : await open(row);', 'const material = await open(row);'],
    ['if (!isOutage(error)) throw error;\n      compared', 'throw error;\n      compared'],
    ['const isRevoked = revoked.includes(row.kid);', 'const isRevoked = false;'],
  ]),
  ...of('broker/src/audit/seal.ts', RESTORE_TESTS, [
    [
      "newest.n < noted.n)\n    return noted.n === 0 ? state(undefined) : state(undefined, 'ends_earlier');",
      'newest.n < noted.n)\n    return state(newest);',
    ],
    ["if (own?.hash !== noted.hash) return state(undefined, 'rewritten');", ''],
    ['claims.previous === before.hash &&', ''],
    ['claims?.iss === config.issuer &&', 'claims !== undefined &&'],
    ['claims.n === before.n + 1 &&', ''],
    ['.every((name) => claims[name] === row[name])', '.every(() => true)'],
  ]),
  ...of('broker/src/audit/sealer.ts', RESTORE_TESTS, [
    ["if (before === 'differs') return undefined;", "if (before === 'differs') throw new Error('differs');"],
    ['  await ports.control.auditSeal.note(row);\n', ''],
    ['if (!(await checkpoints.insert(row))) return undefined;', 'await checkpoints.insert(row);'],
    ['if (reached !== undefined && reached.n !== noted?.n) await ports', 'if (false) await ports'],
  ]),
  ...of('broker/src/audit/archive.ts', ARCHIVE_TESTS, [
    ['  if ((await compareSeal(ports, now)).fault !== undefined) return false;\n', ''],
    [' || checkpoint.hash !== hash)', ')'],
    [
      '  await record.segments.insert(segment);\n  await deleteEvents(end.through, ports);',
      '  await deleteEvents(end.through, ports);\n  await record.segments.insert(segment);',
    ],
  ]),
  ...of('broker/src/audit/segment.ts', ARCHIVE_TESTS, [
    ["text !== undefined && (await sha256(text)) === digest ? text : 'altered'", "text ?? 'altered'"],
  ]),
  ...of('broker/src/resources/audit.ts', RESTORE_TESTS, [
    [
      'if (!isShown(noted, body.value.noted) || !isShown(found, body.value.found))',
      'if (!isShown(found, body.value.found))',
    ],
    [
      'if (!isShown(noted, body.value.noted) || !isShown(found, body.value.found))',
      'if (!isShown(noted, body.value.noted))',
    ],
    [
      "if (noted === undefined || fault === undefined) return err('audit_seal_agrees');",
      "if (noted === undefined) return err('audit_seal_agrees');",
    ],
  ]),
  ...of('broker/src/resources/locks.ts', RESTORE_TESTS, [
    ['if (revoked.success && (await', 'if (false && (await'],
    ['&& (await revocations.find(revoked.data)) !== undefined', '&& false'],
  ]),
  ...of('broker/src/revocation/outbox.ts', RESTORE_TESTS, [
    [
      'const over = copies.filter((copy) => !isOfKey(copy) && !known.some(({ id }) => id === copy.id));',
      'const over: typeof copies = [];',
    ],
    ['rows.filter((row) => !isLockOfDeletion(row)).map(publicRevocation)', '[]'],
  ]),
  ...of('broker/src/revocation/outbox.ts', RESTORE_TESTS, [
    ['(await record.revocations.newestRev()) < delivered;', 'false;'],
  ]),
  ...of(
    'broker/src/revocation/outbox.ts',
    ['broker/test/node/outbox-properties.test.ts'],
    [
      ['if (isRecorded && isDone(receipt)) {', 'if (isDone(receipt)) {'],
      ['if (isRecorded && isDone(receipt)) {', 'if (isRecorded) {'],
    ],
  ),
  ...of('drizzle/control/audit-seal.ts', QUERY_TESTS, [
    ['setWhere: sql`excluded.n > ${auditSeal.n}`,', ''],
    ['eq(auditSeal.n, noted.n), ', ''],
    [', eq(auditSeal.hash, noted.hash)', ''],
  ]),
  ...of('drizzle/record/revocations.ts', QUERY_TESTS, [
    ['setWhere: sql`excluded.rev > ${revocationCopies.rev}`,', ''],
  ]),
  ...of('drizzle/control/change.ts', QUERY_TESTS, [
    ['const condition = statement === undefined ? sql`1` : sql`changes() > 0`;', 'const condition = sql`1`;'],
    ["or(eq(revocations.kind, 'any'), gt(revocations.rev, rev)),", "eq(revocations.kind, 'any'),"],
    ['and(eq(outbox.id, id), eq(outbox.attempts, attempts))', 'eq(outbox.id, id)'],
    ['coalesce(max(rev), 0) + 1 FROM revocations)`;', 'coalesce(max(rev), 0) FROM revocations)`;'],
    ['sql`rev < (SELECT max(rev) FROM revocations)`', 'sql`1`'],
  ]),
];
