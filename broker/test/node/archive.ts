import type { AuditEvent } from '@agent-ticket/shared/audit-event.ts';
import { readKeySet } from '@agent-ticket/shared/key-set.ts';
import { archiveAudit } from '../../src/audit/archive.ts';
import type { ArchiveStore } from '../../src/audit/archive-store.ts';
import { exportAudit } from '../../src/audit/export.ts';
import { sealAudit } from '../../src/audit/sealer.ts';
import type { BrokerPorts } from '../../src/runtime/ports.ts';
import { rowsOf } from './folder.ts';
import { NOW, startNodeBroker } from './start-broker.ts';

/** A broker with an archive, and a log of several segments. */

export const DAY_MS = 86_400_000;
export const MINUTE_MS = 60_000;
export const START = NOW * 1000;
/** When every event of {@link archivedBroker} is old enough to move. */
export const LATER = START + 8 * DAY_MS;
/** Limits of a segment with which a small log has several. */
export const SMALL = { events: 5, checkpoints: 4 };

/** Files in memory, which a test can change as one who can write the store. */
export interface MemoryArchive extends ArchiveStore {
  readonly files: Map<string, Uint8Array<ArrayBuffer>>;
}

export function memoryArchive(): MemoryArchive {
  const files: MemoryArchive['files'] = new Map();
  return {
    files,
    async get(name) {
      const content = files.get(name);
      return content && new Blob([content]).stream();
    },
    async put(name, content) {
      if (!files.has(name)) files.set(name, content);
    },
    async delete(name) {
      files.delete(name);
    },
  };
}

export async function writeEvents(
  { record }: Pick<BrokerPorts, 'record'>,
  count: number,
  at: number,
  differs: Partial<AuditEvent> = {},
): Promise<void> {
  const facts = Array.from({ length: count }, (_, index) => ({
    event: {
      ...{ eventId: crypto.randomUUID(), at, type: 'ticket.denied', outcome: 'denied' },
      ...{
        code: `number_${index}`,
        userAgent: 'a program \u2028 of two lines',
        details: { method: 'auth0' },
      },
      ...differs,
    },
  })) satisfies { event: AuditEvent }[];
  await record.deliver(facts, at);
}

/**
 * A broker with 14 events, sealed in minutes of 3, 0, 2, 1, 0, 4, 0, 0 and 3, and one that is not sealed. With
 * {@link SMALL} limits two segments are complete: events 1 to 5, and 6 to 10.
 */
export async function archivedBroker(archive: ArchiveStore = memoryArchive()) {
  const broker = await startNodeBroker();
  const { ports: own } = broker;
  const ports: BrokerPorts = { ...own, archive, config: { ...own.config, auditHotMs: 7 * DAY_MS } };
  // The first key, whose making is an event.
  await ports.auditKeyring.signer(START);
  for (const [index, count] of [3, 0, 2, 1, 0, 4, 0, 0, 3].entries()) {
    await writeEvents(ports, count, START + index * MINUTE_MS);
    await sealAudit(ports, START + index * MINUTE_MS);
  }
  await writeEvents(ports, 1, START + 10 * MINUTE_MS);
  return { broker, ports };
}

/** Moves all that may move. How many segments. */
export async function archiveAll(ports: BrokerPorts, now = LATER): Promise<number> {
  let moved = 0;
  while (await archiveAudit(ports, now, SMALL)) moved += 1;
  return moved;
}

export const exportText = (ports: BrokerPorts, after = 0): Promise<string> =>
  new Response(exportAudit(ports, after)).text();
export const linesOf = (text: string): string[] => text.trimEnd().split('\n');

export async function auditKeys({ auditKeyring }: Pick<BrokerPorts, 'auditKeyring'>) {
  const keys = (await auditKeyring.published(START)).map(({ material }) => material.publicJwk);
  return (await readKeySet(new TextEncoder().encode(JSON.stringify({ keys })), ['ES256'])) ?? new Map();
}

export const gunzipped = (content: Uint8Array<ArrayBuffer>): Promise<string> =>
  new Response(new Blob([content]).stream().pipeThrough(new DecompressionStream('gzip'))).text();

export const gzipped = async (text: string): Promise<Uint8Array<ArrayBuffer>> =>
  new Uint8Array(
    await new Response(new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'))).arrayBuffer(),
  );

/** Fails before or after a call of a method, or when it has done a part of its work. */
export type Stop = readonly [step: string, (ports: BrokerPorts, die: () => never) => BrokerPorts];

export const withSegments = (
  p: BrokerPorts,
  segments: Partial<BrokerPorts['record']['segments']>,
): BrokerPorts => ({
  ...p,
  record: { ...p.record, segments: { ...p.record.segments, ...segments } },
});

/** A verification has nothing to say against content, order and completeness. */
export const SOUND = { content: [], order: [], gaps: [] };

/** Rows of the record database of a broker, beside its store. */
export const recordRows = (folder: string) => ({
  hot: () => rowsOf(`${folder}/record.db`, 'SELECT seq FROM audit_events ORDER BY seq'),
  segments: () => rowsOf(`${folder}/record.db`, 'SELECT * FROM audit_segments ORDER BY n'),
  change: (sql: string) => rowsOf(`${folder}/record.db`, sql),
});
