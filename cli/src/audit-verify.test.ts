import { decodeJwt } from 'jose';
import { describe, expect, it } from 'vitest';
import { signedExport } from '../test/signed-export.ts';
import { terminalWith } from '../test/terminal.ts';
import { run } from './run.ts';

const { lines: GOOD, jws, later, anchor: newest, keySet } = await signedExport();

const sealOf = (checkpoint: string) => {
  const { n, through, hash } = decodeJwt<{ n: number; through: number; hash: string }>(checkpoint);
  return { n, through, hash };
};

const FILES: Readonly<Record<string, readonly string[]>> = {
  'good.ndjson': GOOD,
  'altered.ndjson': GOOD.map((line) => line.replace('issued', 'denied')),
  'cut.ndjson': GOOD.slice(0, 0),
  'later.ndjson': later,
  'newest.txt': [newest],
  'keys.json': [JSON.stringify(keySet)],
  'empty.json': ['{"keys":[]}'],
  'anchor.txt': [jws],
  'seal.json': [JSON.stringify({ state: 'agrees', noted: sealOf(jws) })],
  'other-seal.json': [JSON.stringify({ noted: { ...sealOf(jws), hash: 'A'.repeat(43) } })],
};

async function tried(
  line: string,
  options: { keys?: string; anchor?: string; json?: true; help?: true } = {},
  colours = false,
) {
  const { terminal, said } = terminalWith({
    readLines: async function* (path) {
      yield* FILES[path] ?? [];
    },
    colours,
  });
  const words = Object.entries(options).flatMap(([name, value]) =>
    value === true ? [`--${name}`] : [`--${name}`, value],
  );
  const code = await run([...line.split(' ').filter((word) => word !== ''), ...words], terminal);
  return { code, ...said };
}

describe('agent-ticket audit verify', () => {
  const keys = 'keys.json';

  it('says of a good export, offline, content, order, gaps and tail, each for itself', async () => {
    const { code, out, err } = await tried('audit verify good.ndjson', { keys });
    expect([code, err]).toEqual([0, '']);
    for (const name of ['content', 'order', 'gaps', 'tail'])
      expect(out).toMatch(new RegExp(`^${name} +ok: `, 'm'));
    expect(out).toContain('is not proven');
  });

  it('proves the end with an anchor, and a cut one wrong', async () => {
    const anchor = 'anchor.txt';
    expect((await tried('audit verify good.ndjson', { keys, anchor })).out).toContain('the anchor shows');
    const cut = await tried('audit verify cut.ndjson', { keys, anchor });
    expect([cut.code, cut.out]).toEqual([1, expect.stringContaining('tail     FAULT: it ends with event 0')]);
  });

  it('proves the end with the noted seal, and another log wrong', async () => {
    const good = await tried('audit verify good.ndjson', { keys, anchor: 'seal.json' });
    expect([good.code, good.out]).toEqual([0, expect.stringContaining('the anchor shows')]);
    const other = await tried('audit verify good.ndjson', { keys, anchor: 'other-seal.json' });
    expect([other.code, other.out]).toEqual([1, expect.stringContaining('another one than the anchor')]);
  });

  it('says of an export that begins later what it does not prove, and which of that the log purged', async () => {
    const { code, out } = await tried('audit verify later.ndjson', { keys, anchor: 'newest.txt' });
    expect(code).toBe(0);
    expect(out).toContain('1 events from number 3 on');
    expect(out).toContain(
      'note: events 1 to 1 are not in this export; as a signed event in it says, the log purged them',
    );
    expect(out).toContain('note: events 2 to 2 are not in this export; nothing in it says why');
    expect(out).toContain('the anchor shows that nothing from event 3 up to it was cut off');
    const json = await tried('audit verify later.ndjson', { keys, json: true });
    expect(JSON.parse(json.out)).toMatchObject({ sound: true, from: 3, purgedThrough: 1 });
  });

  it('ends with 1 for an export with nothing in it', async () => {
    const { code, out } = await tried('audit verify cut.ndjson', { keys });
    expect([code, out]).toEqual([1, expect.stringContaining('content  FAULT: there is nothing in it')]);
  });

  it('ends with 1 for an altered export, also as JSON', async () => {
    const { code, out } = await tried('audit verify altered.ndjson', { keys, json: true });
    expect(code).toBe(1);
    expect(JSON.parse(out)).toMatchObject({ sound: false, content: [expect.stringContaining('1 to 2')] });
  });

  it('has colours for a person only', async () => {
    expect((await tried('audit verify good.ndjson', { keys }, true)).out).toContain('\u001b[32m');
    expect((await tried('audit verify good.ndjson', { keys })).out).not.toContain('\u001b');
  });

  it.each([
    ['', 'agent-ticket [options]'],
    ['audit', 'agent-ticket audit [options]'],
    ['audit verify', 'agent-ticket audit verify [options] <export>'],
    ['audit verify', 'Example:'],
    ['audit verify good.ndjson', 'agent-ticket audit verify [options] <export>'],
  ])('asked for help with "%s" says %s and the exit codes, and ends with 0', async (line, said) => {
    const { code, out, err } = await tried(line, { help: true });
    expect([code, err]).toEqual([0, '']);
    expect(out).toContain(said);
    expect(out).toContain('Exit codes');
  });

  it.each([
    ['nothing', '', {}, 'Commands:'],
    ['a command that is none', 'tickets counter', {}, "unknown command 'tickets'"],
    ['no export', 'audit verify', { keys }, "missing required argument 'export'"],
    ['no keys', 'audit verify good.ndjson', {}, '--keys <file or URL>'],
    ['keys that are none', 'audit verify good.ndjson', { keys: 'empty.json' }, 'audit-jwks.json'],
    ['an anchor that is none', 'audit verify good.ndjson', { keys, anchor: 'empty.json' }, 'Give --anchor'],
  ])('given %s says what to do next and ends with 2', async (_what, line, options, said) => {
    const { code, out, err } = await tried(line, options);
    expect([code, out]).toEqual([2, '']);
    expect(err).toContain(said);
  });
});
