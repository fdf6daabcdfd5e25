import { env } from 'cloudflare:workers';
import { readKeySet } from '@agent-ticket/shared/key-set.ts';
import { eventually } from '@agent-ticket/shared/test-eventually.ts';
import { beforeEach, describe, expect, it } from 'vitest';
import { type Anchor, allAnchors, anchorKey, bucketAnchor } from '../src/audit/anchor.ts';
import { purgeAudit } from '../src/audit/retention.ts';
import { sealAudit } from '../src/audit/sealer.ts';
import { isSound, type Verification } from '../src/audit/proof/verification.ts';
import { verifyExport } from '../src/audit/proof/verify.ts';
import { runScheduled } from '../src/scheduled.ts';
import { auditRoom, exportText, readAudit } from './audit-room.ts';
import { startBroker } from './broker.ts';
import { call, expectRefusal } from './call.ts';
import { NOW, setClock } from './clock.ts';
import { outbound } from './outbound.ts';
import { delivered, eventsWith } from './record.ts';
import { makeToken } from './tokens.ts';

const auditor = await makeToken({ tier: 'admin', permissions: ['audit:read'] });
const MINUTE = 60_000;
const START = NOW * 1000;

beforeEach(async () => {
  // What runs each minute has the agent worker compare its sessions; here it has none.
  outbound.serve('https://agents.test/control', () =>
    Response.json({ closed: 0, objects: 0, unreachable: 0, pending: 0, ms: 0 }),
  );
  // Its first key, whose making is an event, is there before the log is emptied.
  await startBroker().ports.auditKeyring.signer(START);
  await auditRoom.empty();
});

/** Three runs: events 1 to 5, a quiet minute, events 6 to 8; event 9 is not sealed yet. */
async function sealedLog() {
  const broker = startBroker();
  await auditRoom.write(5);
  await sealAudit(broker.ports, START);
  await sealAudit(broker.ports, START + MINUTE);
  await auditRoom.write(3);
  await sealAudit(broker.ports, START + 2 * MINUTE);
  await auditRoom.write(1);
  return { broker, lines: (await exportText(broker.ports)).trim().split('\n') };
}

const keysOf = async (front: Parameters<typeof call>[1]) => {
  const { text } = await call('/.well-known/audit-jwks.json', front);
  const keys = await readKeySet(new TextEncoder().encode(text), ['ES256', 'Ed25519']);
  return keys ?? new Map();
};

type Change = (lines: string[]) => string[];
const isEvent = (seq: number) => (line: string) => line.startsWith(`{"event":{"seq":${seq},`);
const at = (lines: readonly string[], seq: number) => lines.findIndex(isEvent(seq));
const isCheckpoint = (n: number) => (line: string) => line.startsWith(`{"checkpoint":{"n":${n},`);
const swap = (lines: string[], a: number, b: number) =>
  lines.map((line, index) => (index === a ? lines[b] : index === b ? lines[a] : line) ?? '');

const SOUND = { content: [], order: [], gaps: [] };

describe('an export', () => {
  it('holds events and checkpoints in the order of arrival, and is sound', async () => {
    const { broker, lines } = await sealedLog();
    expect(lines.map((line) => line.slice(2, 18))).toEqual([
      ...[1, 2, 3, 4, 5].map((seq) => `event":{"seq":${seq},`.slice(0, 16)),
      'checkpoint":{"n"',
      'checkpoint":{"n"',
      ...[6, 7, 8].map((seq) => `event":{"seq":${seq},`.slice(0, 16)),
      'checkpoint":{"n"',
      'event":{"seq":9,',
    ]);
    expect(await verifyExport(lines, await keysOf({ front: broker.front }))).toEqual({
      ...SOUND,
      events: 9,
      checkpoints: 3,
      begins: 1,
      tail: { faults: [], provenThrough: 8, unproven: 1, anchored: false },
    });
  });

  it.each<readonly [string, Change, Partial<Verification>]>([
    [
      'an event that was altered',
      (lines) =>
        lines.map((line) => (isEvent(7)(line) ? line.replace('ticket.issued', 'ticket.denied') : line)),
      { content: ['events 6 to 8 are not what checkpoint 3 signed'] },
    ],
    [
      'an event that was dropped',
      (lines) => lines.filter((line) => !isEvent(3)(line)),
      { gaps: ['event 3 is missing'] },
    ],
    [
      'a run that was dropped with its checkpoint',
      (lines) =>
        lines.filter((line) => ![6, 7, 8].some((seq) => isEvent(seq)(line)) && !isCheckpoint(3)(line)),
      { gaps: ['events 6 to 8 are missing'] },
    ],
    [
      'two events that were swapped',
      (lines) => swap(lines, at(lines, 2), at(lines, 3)),
      { order: ['event 2 comes after event 3'] },
    ],
    [
      'two events that were swapped and renumbered',
      (lines) =>
        swap(lines, at(lines, 2), at(lines, 3)).map((line, index) =>
          index === 1
            ? line.replace('"seq":3', '"seq":2')
            : index === 2
              ? line.replace('"seq":2', '"seq":3')
              : line,
        ),
      { content: ['events 1 to 5 are not what checkpoint 1 signed'] },
    ],
    [
      'an event that was put in',
      (lines) =>
        lines.flatMap((line) => (isEvent(4)(line) ? [line, line.replace('issued', 'denied')] : [line])),
      { order: ['event 4 comes twice'] },
    ],
    [
      'an end that was cut off within a run',
      (lines) => lines.filter((line) => !isEvent(8)(line)),
      { gaps: ['event 8 is missing'] },
    ],
    [
      'a checkpoint that was dropped',
      (lines) => lines.filter((line) => !isCheckpoint(2)(line)),
      { gaps: ['checkpoint 2 is missing'] },
    ],
    [
      'a checkpoint of other hands',
      (lines) => lines.map((line) => (isCheckpoint(1)(line) ? line.replace(/.{4}"}}$/, 'AAAA"}}') : line)),
      { content: ['checkpoint 1 is not signed by any of the keys'] },
    ],
    [
      'a beginning that was cut off',
      (lines) => lines.slice(2),
      { gaps: ['it begins with event 3 and without the checkpoint before it'] },
    ],
    [
      'a member that JavaScript would swallow',
      (lines) =>
        lines.map((line) =>
          isEvent(7)(line) ? line.replace('{"seq":7', '{"__proto__":{"a":1},"seq":7') : line,
        ),
      { content: ['events 6 to 8 are not what checkpoint 3 signed'] },
    ],
    [
      'a checkpoint whose clear part was changed',
      (lines) =>
        lines.map((line) => (isCheckpoint(3)(line) ? line.replace('"through":8', '"through":9') : line)),
      { content: ['checkpoint 3 says in clear what it did not sign'] },
    ],
    [
      'events whose checkpoints were all taken away, so that they may say anything',
      (lines) => lines.filter((line) => line.startsWith('{"event"')),
      { content: ['no event in it is covered by a checkpoint that one of the keys signed'] },
    ],
    [
      'events after a checkpoint that covers none of them',
      (lines) =>
        lines.slice(at(lines, 5) + 1).filter((line) => line.startsWith('{"event"') || isCheckpoint(1)(line)),
      { content: ['no event in it is covered by a checkpoint that one of the keys signed'] },
    ],
    [
      'a member put in twice, the signed one last',
      (lines) =>
        lines.map((line, place) =>
          place === at(lines, 5) ? line.replace('"type":', '"type":"x","type":') : line,
        ),
      { content: ['line 5 has a member twice'] },
    ],
    [
      'a line that is none',
      (lines) => [...lines, 'hello'],
      { content: ['line 13 is neither an event nor a checkpoint'] },
    ],
  ])('names %s', async (_what, change, named) => {
    const { broker, lines } = await sealedLog();
    const result = await verifyExport(change(lines), await keysOf({ front: broker.front }));
    const { content, order, gaps } = result;
    expect(isSound(result)).toBe(false);
    expect({ content: content.slice(0, 1), order, gaps }).toEqual({ ...SOUND, ...named });
  });

  it('that was truncated after a checkpoint is shown by an anchor, and by nothing else', async () => {
    const { broker, lines } = await sealedLog();
    const keys = await keysOf({ front: broker.front });
    const anchor = (await broker.ports.checkpoints.newest())?.jws;
    const cut = lines.slice(0, 7);
    expect((await verifyExport(cut, keys)).tail).toMatchObject({ faults: [], anchored: false });
    expect((await verifyExport(cut, keys, anchor)).tail.faults).toEqual([
      'it ends with event 5, but the anchor covers events up to 8',
    ]);
    expect((await verifyExport(lines, keys, anchor)).tail).toMatchObject({ faults: [], anchored: true });
  });

  it('resumes after any event, and the two parts are sound together', async () => {
    const { broker, lines } = await sealedLog();
    const rest = await exportText(broker.ports, 4);
    const resumed = [...lines.slice(0, 4), ...rest.trim().split('\n')];
    expect(await verifyExport(resumed, await keysOf({ front: broker.front }))).toMatchObject(SOUND);
  });

  it('reads a page when the reader takes one, and no sooner', async () => {
    const broker = startBroker();
    await auditRoom.write(1_200);
    let pages = 0;
    const auditLog = {
      ...broker.ports.auditLog,
      arrivals: (after: number, limit: number) => {
        pages += 1;
        return broker.ports.auditLog.arrivals(after, limit);
      },
    };
    const { front } = startBroker({ ports: { auditLog } });
    const answer = await front(readAudit('/export', auditor.pair));
    const reader = answer.body?.getReader();
    await reader?.read();
    expect(pages).toBeLessThanOrEqual(2);
    await reader?.cancel();
  });
});

describe('the sealer', () => {
  it('writes one checkpoint a minute, also when nothing is new, however many run', async () => {
    const brokers = Array.from({ length: 5 }, () => startBroker());
    for (let minute = 0; minute < 3; minute += 1)
      await Promise.all(brokers.map(({ ports }) => sealAudit(ports, START + minute * MINUTE)));
    const [newest] = brokers;
    expect(await newest?.ports.checkpoints.list(undefined, 10)).toMatchObject(
      [3, 2, 1].map((n) => ({ n, through: 0, count: 0 })),
    );
  });

  it('runs with everything else each minute, and one step that fails keeps none of the others', async () => {
    const { ports, logged } = startBroker();
    const outbox = {
      ...ports.termination.outbox,
      due: () => Promise.reject(new Error('Network connection lost')),
    };
    await runScheduled({ ...ports, termination: { ...ports.termination, outbox } });
    expect(logged.join()).toContain('scheduled_failed');
    expect((await ports.checkpoints.newest())?.n).toBe(1);
  });

  it('shows each checkpoint to the anchor', async () => {
    const shown: string[] = [];
    const { ports } = startBroker();
    await runScheduled({ ...ports, anchor: async ({ jws }) => void shown.push(jws) });
    expect(shown).toEqual([(await ports.checkpoints.newest())?.jws]);
  });
});

describe('a bucket as anchor', () => {
  const bucket = () => {
    if (env.AUDIT_ANCHOR === undefined) throw new TypeError('the tests have no bucket');
    return env.AUDIT_ANCHOR;
  };

  it('keeps each checkpoint by its number, and the newest proves where the log ends', async () => {
    const { ports, front } = startBroker({ runtime: { anchorBucket: bucket() } });
    await auditRoom.write(2);
    await runScheduled(ports);
    setClock(60);
    await runScheduled(ports);
    const { objects } = await bucket().list({ prefix: 'checkpoints/' });
    expect(objects.map(({ key }) => key)).toEqual([1, 2].map(anchorKey));
    const newest = await (await bucket().get(objects.at(-1)?.key ?? ''))?.text();
    expect(newest).toBe((await ports.checkpoints.newest())?.jws);
    const lines = (await exportText(ports)).trim().split('\n');
    const keys = await keysOf({ front });
    expect((await verifyExport(lines, keys, newest)).tail).toMatchObject({ anchored: true, faults: [] });
    const cut = lines.slice(0, lines.findIndex(isCheckpoint(2)));
    expect((await verifyExport(cut.slice(0, 1), keys, newest)).tail.faults).toHaveLength(1);
  });

  it('never puts another checkpoint over one that is there', async () => {
    await bucketAnchor(bucket())({ n: 9, jws: 'first' });
    await bucketAnchor(bucket())({ n: 9, jws: 'forged' });
    expect(await (await bucket().get(anchorKey(9)))?.text()).toBe('first');
  });

  it('gets it also while another anchor fails, which keeps nothing else from running', async () => {
    const { ports, logged } = startBroker();
    const down: Anchor = () => Promise.reject(new Error('down'));
    await runScheduled({ ...ports, anchor: allAnchors([down, bucketAnchor(bucket())]) });
    expect(await bucket().get(anchorKey(1))).not.toBeNull();
    expect(logged.filter((line) => line.includes('scheduled_failed'))).toEqual([
      expect.stringContaining('"step":"anchor"'),
    ]);
  });

  beforeEach(async () => {
    const { objects } = await bucket().list();
    await bucket().delete(objects.map(({ key }) => key));
  });
});

describe('retention', () => {
  it('takes whole runs and never the newest event; what is left is sound, and says where it begins', async () => {
    const { broker } = await sealedLog();
    const ports = { ...broker.ports, retentionMs: 60 * MINUTE };
    expect(await purgeAudit(ports, START + 60 * MINUTE)).toBe(5);
    await eventually(async () => expect(await eventsWith('type', 'audit.purged')).toHaveLength(1));
    await sealAudit(ports, START + 61 * MINUTE);
    const result = await verifyExport(
      (await exportText(ports)).trim().split('\n'),
      await keysOf({ front: broker.front }),
    );
    expect(result).toMatchObject({ ...SOUND, begins: 6 });
    await purgeAudit(ports, START + 1e10);
    await purgeAudit(ports, START + 1e10);
    const { results } = await env.RECORD.prepare('SELECT max(seq) AS seq FROM audit_events').all<{
      seq: number;
    }>();
    expect(results[0]?.seq).toBeGreaterThanOrEqual(10);
  });

  const PURGED_AT = START + 60 * MINUTE;

  it('by ten instances at once is one purge, told once', async () => {
    const { broker } = await sealedLog();
    const brokers = [broker, ...Array.from({ length: 9 }, () => startBroker())];
    const gone = await Promise.all(
      brokers.map(({ ports }) => purgeAudit({ ...ports, retentionMs: 60 * MINUTE }, PURGED_AT)),
    );
    expect(gone.reduce((sum, each) => sum + each)).toBe(5);
    await delivered();
    const [told, ...more] = await eventsWith('type', 'audit.purged');
    expect(more).toEqual([]);
    expect(told?.event_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(JSON.parse(told?.details ?? '')).toEqual({ from: 1, through: 5 });
  });

  it('that stopped half way leaves an export that is sound, and is completed by the next', async () => {
    const { broker } = await sealedLog();
    const auditLog = {
      ...broker.ports.auditLog,
      purge: async () => {
        await broker.ports.auditLog.purge(5, 2);
        throw new Error('Network connection lost');
      },
    };
    const ports = { ...broker.ports, retentionMs: 60 * MINUTE };
    await expect(purgeAudit({ ...ports, auditLog }, PURGED_AT)).rejects.toThrow();
    expect((await broker.ports.auditLog.bounds())?.first).toBe(3);
    const keys = await keysOf({ front: broker.front });
    const lines = (await exportText(ports)).trim().split('\n');
    expect(await verifyExport(lines, keys)).toMatchObject({ ...SOUND, begins: 6 });
    expect(await purgeAudit(ports, PURGED_AT)).toBe(3);
    expect((await broker.ports.auditLog.bounds())?.first).toBe(6);
  });

  it('goes through a large log in batches of a bounded size', async () => {
    const broker = startBroker();
    await auditRoom.write(1_201);
    await sealAudit(broker.ports, START);
    await auditRoom.write(1);
    const sizes: number[] = [];
    const auditLog = {
      ...broker.ports.auditLog,
      purge: async (through: number, limit: number) => {
        const gone = await broker.ports.auditLog.purge(through, limit);
        sizes.push(gone);
        return gone;
      },
    };
    const ports = { ...broker.ports, auditLog, retentionMs: 60 * MINUTE };
    expect(await purgeAudit(ports, PURGED_AT)).toBe(1_201);
    expect(sizes).toEqual([500, 500, 201]);
  });
});

describe('reading the log', () => {
  const get = (path: string, headers = auditor.pair) => call(`/admin/agents/audit${path}`, { headers });

  it.each([
    ['?cursor=nonsense', 'cursor'],
    ['?from=yesterday', 'from'],
    ['?to=2026-01-01', 'to'],
    ['?type=nothing', 'type'],
    ['?outcome=maybe', 'outcome'],
    ['?instance=main', 'agent'],
    ['?limit=201', 'limit'],
    ['/export?after=-1', 'after'],
    ['/checkpoints?cursor=e30', 'cursor'],
  ])('%s is a bad request that names %s', async (query, field) => {
    expect(expectRefusal(await get(query), '400 BAD_REQUEST').message).toContain(field);
  });

  it.each(['', '/export', '/checkpoints'])('%s needs the permission', async (path) => {
    expectRefusal(await get(path, (await makeToken()).pair), '403 FORBIDDEN');
  });

  it('goes page by page, newest first, details as JSON, and every call is in the log', async () => {
    await auditRoom.write(5, { details: { role: 'viewer' } });
    setClock(1);
    const seqs: number[] = [];
    let cursor: string | null = '';
    while (cursor !== null) {
      const { items, next_cursor } = JSON.parse(
        (await get(`?type=ticket.issued&limit=2${cursor === '' ? '' : `&cursor=${cursor}`}`)).text,
      );
      for (const item of items) {
        expect(item.details).toEqual({ role: 'viewer' });
        seqs.push(item.seq);
      }
      cursor = next_cursor;
    }
    expect(seqs).toEqual([5, 4, 3, 2, 1]);
    await eventually(async () => expect(await eventsWith('type', 'admin.read')).toHaveLength(3));
  });
});
