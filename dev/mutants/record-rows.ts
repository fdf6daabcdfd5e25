// biome-ignore-all lint/suspicious/noTemplateCurlyInString: originals and replacements are code.
import { ARCHIVE_TESTS, inNode, KEY_TESTS, type Mutant, of, QUERY_TESTS, RESTORE_TESTS } from './mutant.ts';

const SEALER_TESTS = ['broker/test/audit-sealer.test.ts'];

/** Conditions of keys, the audit log, the outbox and both databases. */
export const RECORD_MUTANTS: readonly Mutant[] = [
  ...of('broker/src/keys/keyring.ts', RESTORE_TESTS, [
    ['const material = isRevoked ? undefined : await open(row);', 'const material = await open(row);'],
    ['if (!isOutage(error)) throw error;\n      compared', 'throw error;\n      compared'],
    ['const isRevoked = revoked.includes(row.kid);', 'const isRevoked = false;'],
  ]),
  ...of('broker/src/keys/keyring.ts', KEY_TESTS, [
    ['  if (kid !== row.kid) return undefined;\n', ''],
    [
      'held !== undefined && now - held.readAt < SIGNER_CACHE_MS && now >= held.readAt;',
      'held !== undefined;',
    ],
    ["purpose === 'ticket' ? isPublished(row, now) : row.revokedAt === null", 'row.revokedAt === null'],
    ['JSON.stringify([row.kid, row.alg, row.purpose, row.sealed])', 'row.kid'],
    ['|| now - held.readAt > KEY_SET.staleMs) throw', ') throw'],
  ]),
  ...of(
    'broker/src/keys/keyring.ts',
    ['broker/test/key-life.test.ts'],
    [
      ['each.kid === kid && each.revokedAt === null && ', 'each.kid === kid && '],
      ['now >= row.removedAt + SESSION_SECONDS * 1000', 'false'],
    ],
  ),
  ...of('broker/src/keys/changes.ts', KEY_TESTS, [
    ['if (pending !== undefined) return err(', 'if (false) return err('],
    ['  if (!signer.ok) return signer;\n', ''],
    ["activate === 'now' ? now : now + leadMs", 'now'],
    ['    if (row.revokedAt !== null)\n', '    if (false)\n'],
    [
      'const usable = await keyring.current(now);\n  const inState',
      'const usable = rows.map((each) => ({ row: each }));\n  const inState',
    ],
  ]),
  ...of(
    'broker/src/keys/changes.ts',
    [inNode('keys/rotation')],
    [['keyring.make(generation, ', 'keyring.make(nextGeneration(await keyring.rows(now)), ']],
  ),
  ...of('broker/src/audit/seal.ts', RESTORE_TESTS, [
    [
      "newest.n < noted.n)\n    return noted.n === 0 ? state(undefined) : state(undefined, 'ends_earlier');",
      'newest.n < noted.n)\n    return state(newest);',
    ],
    ["if (own?.hash !== noted.hash) return state(undefined, 'rewritten');", ''],
  ]),
  ...of('broker/src/audit/seal.ts', SEALER_TESTS, [
    ['claims.previous === before.hash &&', ''],
    ['claims?.iss === config.issuer &&', 'claims !== undefined &&'],
    ['claims.n === before.n + 1 &&', ''],
    ['.every((name) => claims[name] === row[name])', '.every(() => true)'],
  ]),
  ...of('broker/src/audit/sealer.ts', RESTORE_TESTS, [
    ["if (before === 'differs') return undefined;", "if (before === 'differs') throw new Error('differs');"],
    ['  await ports.control.auditSeal.note(row);\n', ''],
    ['if (reached !== undefined && reached.n !== noted?.n) await ports', 'if (false) await ports'],
  ]),
  ...of('broker/src/audit/sealer.ts', SEALER_TESTS, [
    ['if (!(await checkpoints.insert(row))) return undefined;', 'await checkpoints.insert(row);'],
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
    ['const newest = await copyAfter(0, ports);', 'const newest = 0;'],
    ['      await copyEarlier(revocations, ports);\n', ''],
    ['> copied + 1) await copyAfter', '> copied + 2) await copyAfter'],
    ['  await copyAfter(await ports.record.revocations.newestRev(), ports);\n', ''],
    ['rows.filter((row) => !isLockOfDeletion(row))', 'rows'],
    ["row.kind === 'before' && row.until === null ?", 'false ?'],
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
  ...of(
    'drizzle/control/change.ts',
    [inNode('token/ticket-status')],
    [["or(eq(revocations.kind, 'any'), gt(revocations.rev, rev)),", "eq(revocations.kind, 'any'),"]],
  ),
  ...of('drizzle/control/change.ts', QUERY_TESTS, [
    ['const condition = statement === undefined ? sql`1` : sql`changes() > 0`;', 'const condition = sql`1`;'],
    ['and(eq(outbox.id, id), eq(outbox.attempts, attempts))', 'eq(outbox.id, id)'],
    ['coalesce(max(rev), 0) + 1 FROM revocations)`;', 'coalesce(max(rev), 0) FROM revocations)`;'],
    ['sql`rev < (SELECT max(rev) FROM revocations)`', 'sql`1`'],
  ]),
];
