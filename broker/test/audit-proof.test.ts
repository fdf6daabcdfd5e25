import { describe, expect, it } from 'vitest';
import { CHAIN_START } from '../src/audit/chain.ts';
import { signCheckpoint } from '../src/audit/checkpoint.ts';
import { isSound, type Verification } from '../src/audit/proof/verification.ts';
import { verifyExport } from '../src/audit/proof/verify.ts';
import { sealAudit } from '../src/audit/sealer.ts';
import {
  auditKeys,
  beginEmpty,
  exportText,
  isCheckpoint,
  MINUTE,
  readAudit,
  SOUND,
  START,
  sealedLog,
  writeEvents,
} from './audit-log.ts';
import { startBroker } from './broker.ts';
import { makeToken } from './tokens.ts';

beginEmpty();

const auditor = await makeToken({ tier: 'admin', permissions: ['audit:read'] });

type Change = (lines: string[]) => string[];
const isEvent = (seq: number) => (line: string) => line.startsWith(`{"event":{"seq":${seq},`);
const at = (lines: readonly string[], seq: number) => lines.findIndex(isEvent(seq));
const swap = (lines: string[], a: number, b: number) =>
  lines.map((line, index) => (index === a ? lines[b] : index === b ? lines[a] : line) ?? '');

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
    expect(await verifyExport(lines, await auditKeys({ front: broker.front }))).toEqual({
      ...SOUND,
      events: 9,
      checkpoints: 3,
      from: 1,
      purgedThrough: 0,
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
      'a checkpoint whose time in clear was changed',
      (lines) =>
        lines.map((line) => (isCheckpoint(3)(line) ? line.replace(/"at":"\d{4}/, '"at":"1999') : line)),
      { content: ['checkpoint 3 says in clear what it did not sign'] },
    ],
    [
      'a checkpoint whose key in clear was changed',
      (lines) => lines.map((line) => (isCheckpoint(3)(line) ? line.replace('"kid":"', '"kid":"x') : line)),
      { content: ['checkpoint 3 says in clear what it did not sign'] },
    ],
    [
      'a remark that was put into a checkpoint',
      (lines) =>
        lines.map((line) => (isCheckpoint(3)(line) ? line.replace('"n":3', '"n":3,"note":"quiet"') : line)),
      { content: ['checkpoint 3 says in clear what it did not sign'] },
    ],
    [
      'a remark in a member of a checkpoint that JavaScript would swallow',
      (lines) =>
        lines.map((line) =>
          isCheckpoint(3)(line) ? line.replace('"n":3', '"n":3,"__proto__":{"note":"quiet"}') : line,
        ),
      { content: ['line 11 is neither an event nor a checkpoint'] },
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
        lines.map((line, index) =>
          index === at(lines, 5) ? line.replace('"type":', '"type":"x","type":') : line,
        ),
      { content: ['line 5 has a member twice'] },
    ],
    [
      'a member without a bottom',
      (lines) =>
        lines.map((line) =>
          isEvent(7)(line)
            ? line.replace('"seq":7', `"seq":7,"x":${'['.repeat(1e5)}${']'.repeat(1e5)}`)
            : line,
        ),
      { content: ['line 9 is neither an event nor a checkpoint'], gaps: ['event 7 is missing'] },
    ],
    [
      'an empty line',
      (lines) => [...lines, ''],
      { content: ['line 13 is neither an event nor a checkpoint'] },
    ],
    [
      'a line that ends with CR LF',
      (lines) => lines.map((line) => (isCheckpoint(3)(line) ? `${line}\r` : line)),
      { content: ['line 11 is neither an event nor a checkpoint'] },
    ],
    [
      'a line that is none',
      (lines) => [...lines, 'hello'],
      { content: ['line 13 is neither an event nor a checkpoint'] },
    ],
  ])('names %s', async (_what, change, named) => {
    const { broker, lines } = await sealedLog();
    const result = await verifyExport(change(lines), await auditKeys({ front: broker.front }));
    const { content, order, gaps } = result;
    expect(isSound(result)).toBe(false);
    expect({ content: content.slice(0, 1), order, gaps }).toEqual({ ...SOUND, ...named });
  });

  it('that was truncated after a checkpoint is shown by an anchor, and by nothing else', async () => {
    const { broker, lines } = await sealedLog();
    const keys = await auditKeys({ front: broker.front });
    const anchor = (await broker.ports.record.checkpoints.newest())?.jws;
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
    expect(await verifyExport(resumed, await auditKeys({ front: broker.front }))).toMatchObject(SOUND);
  });

  it('resumes after quiet minutes, and is sound with the part before and without it', async () => {
    const broker = startBroker();
    await writeEvents(5);
    await sealAudit(broker.ports, START);
    await writeEvents(1);
    const before = await exportText(broker.ports);
    for (const minute of [1, 2, 3]) await sealAudit(broker.ports, START + minute * MINUTE);
    await writeEvents(1);
    await sealAudit(broker.ports, START + 4 * MINUTE);
    const rest = await exportText(broker.ports, 6);
    const keys = await auditKeys({ front: broker.front });
    const verify = (text: string) => verifyExport(text.trim().split('\n'), keys);
    expect(await verify(before + rest)).toMatchObject({ ...SOUND, events: 7, tail: { provenThrough: 7 } });
    expect(await verify(rest)).toMatchObject({ ...SOUND, from: 7, tail: { provenThrough: 7 } });
  });

  it('has one line for each event, also for readers that break at other signs than LF', async () => {
    const broker = startBroker();
    const method = 'a\u2028b\u2029c\u0085d';
    await writeEvents(1, { details: { method } });
    await sealAudit(broker.ports, START);
    const text = await exportText(broker.ports);
    expect(text).not.toMatch(/[\u0085\u2028\u2029]/);
    const lines = text.trim().split('\n');
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ event: { details: { method } } });
    expect(await verifyExport(lines, await auditKeys({ front: broker.front }))).toMatchObject(SOUND);
  });

  it('with two signed checkpoints of one number is no proof of either', async () => {
    const { broker, lines } = await sealedLog();
    const [old] = await broker.ports.record.checkpoints.list(2, 1);
    const signer = await broker.ports.auditKeyring.signer(START);
    if (!signer.ok || old === undefined) throw new Error('no key, or nothing sealed');
    const claims = { iss: broker.ports.config.issuer, iat: 1, n: 1, through: 4, count: 4 };
    const jws = await signCheckpoint(
      { ...claims, previous: CHAIN_START, hash: old.hash },
      signer.value.material,
    );
    const fork = JSON.stringify({ checkpoint: { n: 1, jws } });
    const forked = lines.flatMap((line) => (isCheckpoint(1)(line) ? [line, fork] : [line]));
    expect(await verifyExport(forked, await auditKeys({ front: broker.front }))).toMatchObject({
      ...SOUND,
      content: ['checkpoint 1 is there twice, and they differ'],
    });
  });

  it('reads a page when the reader takes one, and no sooner', async () => {
    const broker = startBroker();
    await writeEvents(1_200);
    let pages = 0;
    const auditLog = {
      ...broker.ports.record.auditLog,
      arrivals: (after: number, limit: number) => {
        pages += 1;
        return broker.ports.record.auditLog.arrivals(after, limit);
      },
    };
    const { front } = startBroker({ ports: { record: { ...broker.ports.record, auditLog } } });
    const answer = await front(readAudit('/export', auditor.pair));
    const reader = answer.body?.getReader();
    await reader?.read();
    expect(pages).toBeLessThanOrEqual(2);
    await reader?.cancel();
  });
});
