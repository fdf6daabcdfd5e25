import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { terminalAt } from '../../test/broker.ts';
import { openLines } from '../open-files.ts';
import { run } from '../run.ts';

const event = (seq: number, type = 'ticket.issued') => JSON.stringify({ event: { seq, type } });
const checkpoint = (n: number, through: number) => JSON.stringify({ checkpoint: { n, through } });

let file: string;
beforeEach(async () => {
  const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-log-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  file = join(folder, 'log.ndjson');
});

const written = async () => (await readFile(file, 'utf8')).trimEnd().split('\n');
const afterOf = (url: URL) => Number(url.searchParams.get('after'));
const NDJSON = { headers: { 'content-type': 'application/x-ndjson' } };
const exported = (lines: readonly string[]) =>
  new Response(lines.map((line) => `${line}\n`).join(''), NDJSON);

describe('audit tail', () => {
  /** A broker with so many events, which is away or breaks off at some questions. The tail ends after the last of them. */
  function follow(turns: readonly ((after: number) => Response)[]) {
    const ended = new AbortController();
    let turn = 0;
    const at = terminalAt(
      ({ url }) => {
        const answer = turns[turn];
        turn += 1;
        if (answer === undefined) throw new Error('the tail asked after its end');
        return answer(afterOf(url));
      },
      {
        openLines,
        interrupted: ended.signal,
        wait: async () => {
          if (turn === turns.length) ended.abort();
        },
      },
    );
    return { at, code: run(['audit', 'tail', '--file', file, '--after', '0'], at.terminal) };
  }
  const upTo = (last: number) => (after: number) =>
    exported(Array.from({ length: last - after }, (_, index) => event(after + index + 1)));
  const cutOff = (last: number) => (after: number) =>
    new Response(`${event(after + 1)}\n${event(last).slice(0, 9)}`, NDJSON);
  const away = () => {
    throw new TypeError('fetch failed');
  };

  it('writes each event once, through outages, answers that broke off and restarts', async () => {
    expect(await follow([upTo(3), away, cutOff(5), upTo(6)]).code).toBe(0);
    // A crash in the middle of a line.
    await writeFile(file, `${event(1)}\n${event(2)}\n${event(3)}\n${event(4)}\n${event(5).slice(0, 12)}`);
    const { at, code } = follow([upTo(7), upTo(9)]);
    expect(await code).toBe(0);
    expect(at.asked.map(({ url }) => afterOf(url))).toEqual([4, 7]);
    expect(await written()).toEqual(Array.from({ length: 9 }, (_, index) => event(index + 1)));
  });

  it('says once that the broker is away', async () => {
    const { at, code } = follow([away, away, away]);
    expect(await code).toBe(0);
    expect(at.said.err.match(/does not answer/g)).toHaveLength(1);
  });

  it('keeps the events of reading in the file, and shows them with --reads alone', async () => {
    const { at, code } = follow([() => exported([event(1), event(2, 'admin.read')])]);
    expect(await code).toBe(0);
    expect(at.said.out).toBe(`${event(1)}\n`);
    expect(await written()).toEqual([event(1), event(2, 'admin.read')]);
  });

  it('ends at a refusal that does not pass', async () => {
    const { at, code } = follow([
      () => Response.json({ error: { code: 'FORBIDDEN', message: 'no', request_id: 'r' } }, { status: 403 }),
    ]);
    expect(await code).toBe(2);
    expect(at.said.err).toContain('FORBIDDEN');
  });

  it('ends where another process writes to the file', async () => {
    const { at, code } = follow([
      () => {
        // While the answer is on its way.
        return new Response(
          new ReadableStream<Uint8Array>({
            async start(controller) {
              await writeFile(file, 'other\n', { flag: 'a' });
              controller.enqueue(new TextEncoder().encode(`${event(1)}\n`));
              controller.close();
            },
          }),
          NDJSON,
        );
      },
    ]);
    expect(await code).toBe(2);
    expect(at.said.err).toContain('Another process writes');
  });
});

describe('audit export', () => {
  it('shows the same values without a character that a terminal acts on', async () => {
    const value = { event: { seq: 1, type: 'ticket.issued', user_agent: 'a\u009b2J\u202e\u061c' } };
    const at = terminalAt(() => exported([JSON.stringify(value)]), {});
    expect(await run(['audit', 'export'], at.terminal)).toBe(0);
    const shown = at.said.out;
    expect(JSON.parse(shown)).toEqual(value);
    expect(shown).toMatch(/^[\x20-\x7e]+\n$/);
  });

  const exportFile = (lines: readonly string[]) => {
    const at = terminalAt(() => exported(lines), { openLines });
    return { at, code: run(['audit', 'export', '--file', file], at.terminal) };
  };

  it('names each segment that the archive has lost, and fails', async () => {
    const segment = JSON.stringify({
      segment: { name: '1-2.ndjson.gz\u001b', from: 1, through: 2, fault: 'missing' },
    });
    const lines = [segment, checkpoint(1, 2), event(3)];
    const { at, code } = exportFile(lines);
    expect(await code).toBe(1);
    expect(at.said.err).toContain('The archive has lost segment 1-2.ndjson.gz\ufffd: missing.');
    expect(at.said.err).toContain('1 events after number 0');
    expect(await written()).toEqual(lines);
    const shown = terminalAt(() => exported(lines), {});
    expect(await run(['audit', 'export'], shown.terminal)).toBe(1);
  });

  it('makes a file', async () => {
    const lines = [event(1), event(2), checkpoint(1, 2), event(3)];
    expect(await exportFile(lines).code).toBe(0);
    expect(await written()).toEqual(lines);
  });

  it('continues a file after its last checkpoint, which it does not repeat', async () => {
    await writeFile(file, [event(1), checkpoint(1, 1), event(2), event(3), event(4).slice(0, 5)].join('\n'));
    const { at, code } = exportFile([checkpoint(1, 1), event(2), event(3), checkpoint(2, 3), event(4)]);
    expect(await code).toBe(0);
    expect(at.asked.map(({ url }) => afterOf(url))).toEqual([1]);
    expect(await written()).toEqual([
      event(1),
      checkpoint(1, 1),
      event(2),
      event(3),
      checkpoint(2, 3),
      event(4),
    ]);
  });

  it('of a long file reads its end alone', async () => {
    const tail = Array.from({ length: 5_000 }, (_, index) => event(index + 2));
    await writeFile(file, `${[event(1), checkpoint(1, 1), ...tail].join('\n')}\n`);
    const { code } = exportFile([checkpoint(1, 1), event(2)]);
    expect(await code).toBe(0);
    expect(await written()).toEqual([event(1), checkpoint(1, 1), event(2)]);
  });
});
