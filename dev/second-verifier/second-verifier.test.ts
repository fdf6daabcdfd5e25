import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { promisify } from 'node:util';
import { CHAIN_START, canonicalText, chainOn } from '@agent-ticket/broker/src/audit/chain.ts';
import { signCheckpoint } from '@agent-ticket/broker/src/audit/checkpoint.ts';
import { isSound } from '@agent-ticket/broker/src/audit/proof/verification.ts';
import { verifyExport } from '@agent-ticket/broker/src/audit/proof/verify.ts';
import { readKeySet } from '@agent-ticket/shared/key-set.ts';
import { KeyId } from '@agent-ticket/shared/names.ts';
import { createRandom } from '@agent-ticket/shared/test/random.ts';
import { calculateJwkThumbprint, exportJWK, generateKeyPair } from 'jose';
import { beforeAll, describe, expect, it } from 'vitest';
import * as z from 'zod';
import { ROOT } from '../quiet-environment.ts';

/** The verifier of the audit log in Python, written from the documented format, agrees with the one of the command line. */

const FOLDER = `${ROOT}docs/reference`;
/** Answers each line of JSON by one: a canonical text, or the verdict on an export. */
const DRIVER = `
import json, sys
sys.path.insert(0, sys.argv[1])
sys.dont_write_bytecode = True
import audit_verify as a
keys = None
for line in sys.stdin:
    ask = json.loads(line)
    if "keys" in ask:
        keys = a.read_keys(json.dumps(ask["keys"]))
        answer = None
    elif "canonical" in ask:
        try:
            answer = a.canonical(a.parse(ask["canonical"])).encode().decode()
        except (ValueError, UnicodeError):
            answer = None
    else:
        kept = ask.get("anchor")
        anchor = a.read_checkpoint(kept, keys)[0] if kept else None
        answer = a.verify([each.encode("utf-8", "surrogatepass") for each in ask["lines"]], keys, anchor)
    print(json.dumps(answer))
`;

const PYTHONS = ['/usr/bin/python3', 'python3'];
async function findPython(): Promise<string | undefined> {
  for (const python of PYTHONS) {
    const found = await promisify(execFile)(python, ['-c', 'import cryptography']).then(
      () => true,
      () => false,
    );
    if (found) return python;
  }
  const missing = 'no python3 with cryptography (on Debian: python3-cryptography)';
  if (process.env.CI === 'true') throw new Error(missing);
  console.warn(`the second verifier was not tested: ${missing}`);
}
const python = await findPython();

async function ask(questions: readonly object[]): Promise<unknown[]> {
  const program = spawn(python ?? '', ['-c', DRIVER, FOLDER], { stdio: ['pipe', 'pipe', 'inherit'] });
  program.stdin.end(questions.map((each) => `${JSON.stringify(each)}\n`).join(''));
  const [output] = await Promise.all([text(program.stdout), once(program, 'close')]);
  return output
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const DETAILS = [
  {},
  { a: 'ä€\u2028"\\\u0001', z: 1e21 },
  { '😀': true, דּ: null, '10': -0.000001, '9': 5e-324 },
  null,
];

/** One event of the log, as retention writes it. */
const PURGE = { seq: 7, details: { from: 1, through: 3 } };

async function makeLog() {
  const signers = await Promise.all(
    (['ES256', 'Ed25519'] as const).map(async (alg) => {
      const pair = await generateKeyPair(alg, { extractable: true });
      const jwk = await exportJWK(pair.publicKey);
      const kid = KeyId.parse(await calculateJwkThumbprint(jwk));
      return { kid, alg, ...pair, publicJwk: { ...jwk, kid, alg, use: 'sig' } };
    }),
  );
  const lines: string[] = [];
  const checkpoints: string[] = [];
  let [previous, head, seq] = [CHAIN_START, CHAIN_START, 0];
  for (const [index, count] of [3, 0, 4, 1, 0, 5].entries()) {
    for (let left = count; left > 0; left -= 1) {
      seq += 1;
      const event = {
        seq,
        type: seq === PURGE.seq ? 'audit.purged' : 'ticket.issued',
        at: '2026-11-30T00:00:00.000Z',
        details: seq === PURGE.seq ? PURGE.details : DETAILS[seq % DETAILS.length],
      };
      head = chainOn(head, event) ?? '';
      lines.push(JSON.stringify({ event }));
    }
    const [n, iat] = [index + 1, 1_800_000_000 + 60 * index];
    const signer = signers[index < 3 ? 0 : 1];
    if (signer === undefined) throw new TypeError('there are two keys');
    const claims = { iss: 'https://broker.test', iat, n, through: seq, count, previous, hash: head };
    const jws = await signCheckpoint(claims, signer);
    const clear = {
      n,
      at: new Date(iat * 1000).toISOString(),
      through: seq,
      count,
      hash: head,
      kid: signer.kid,
      jws,
    };
    lines.push(JSON.stringify({ checkpoint: clear }));
    checkpoints.push(jws);
    previous = head;
  }
  lines.push(JSON.stringify({ event: { seq: seq + 1, type: 'ticket.issued' } }));
  return { lines, checkpoints, jwks: { keys: signers.map(({ publicJwk }) => publicJwk) } };
}

type Alter = (lines: string[], next: () => number) => string[];
const anyOf = <T>(values: readonly T[], next: () => number): T | undefined =>
  values[Math.floor(next() * values.length)];
const place = (lines: readonly string[], next: () => number) => Math.floor(next() * lines.length);

/** One way to alter an export each. */
const ALTERATIONS: Readonly<Record<string, Alter>> = {
  'a line goes': (lines, next) => lines.toSpliced(place(lines, next), 1),
  'a line comes twice': (lines, next) => {
    const from = lines[place(lines, next)] ?? '';
    return lines.toSpliced(place(lines, next), 0, from);
  },
  'two lines change places': (lines, next) => {
    const [a, b] = [place(lines, next), place(lines, next)];
    return lines.with(a, lines[b] ?? '').with(b, lines[a] ?? '');
  },
  'the end is cut off': (lines, next) => lines.slice(0, place(lines, next)),
  'the beginning is cut off': (lines, next) => lines.slice(place(lines, next)),
  'a character is another one': (lines, next) => {
    const at = place(lines, next);
    const line = lines[at] ?? '';
    const index = Math.floor(next() * line.length);
    return lines.with(
      at,
      line.slice(0, index) + (anyOf([...'0a"}{,:[].-_9A \\'], next) ?? '') + line.slice(index + 1),
    );
  },
  'a character goes': (lines, next) => {
    const at = place(lines, next);
    const line = lines[at] ?? '';
    const index = Math.floor(next() * line.length);
    return lines.with(at, line.slice(0, index) + line.slice(index + 1));
  },
  'a member comes in': (lines, next) => {
    const at = place(lines, next);
    const more =
      anyOf(['"x":1,', '"seq":1,', '"n":1,', '"hash":null,', '"__proto__":{},', '"at":"x",'], next) ?? '';
    return lines.with(at, (lines[at] ?? '').replace(/^(\{"\w+":\{)/, `$1${more}`));
  },
  'a number is spelled otherwise': (lines, next) => {
    const at = place(lines, next);
    return lines.with(
      at,
      (lines[at] ?? '').replace(
        /:(\d+)([,}])/,
        anyOf([':$1.0$2', ':$1e0$2', ':-$1$2', ':0$1$2'], next) ?? '',
      ),
    );
  },
  'a line is empty': (lines, next) => lines.toSpliced(place(lines, next), 0, ''),
  'a line has white space around it': (lines, next) => {
    const at = place(lines, next);
    const line = lines[at] ?? '';
    return lines.with(at, next() < 0.5 ? `${line}\r` : ` ${line}`);
  },
  'a segment is lost': (lines, next) => {
    const segment = {
      name: '000000000001-000000000002-0123456789abcdef.ndjson.gz',
      from: 1,
      through: 3,
      fault: 'missing',
    };
    return lines.toSpliced(place(lines, next), 0, JSON.stringify({ segment }));
  },
  'members change places': (lines, next) => {
    const at = place(lines, next);
    return lines.with(at, (lines[at] ?? '').replace(/("seq":\d+),("type":"[^"]*")/, '$2,$1'));
  },
};

const Verdict = z.object({
  ...{ sound: z.boolean(), anchored: z.boolean() },
  ...{ from: z.int(), purged_through: z.int(), proven_through: z.int() },
});

describe.skipIf(python === undefined)('the verifier in Python', () => {
  let log: Awaited<ReturnType<typeof makeLog>>;
  beforeAll(async () => {
    log = await makeLog();
  });

  async function compare(cases: readonly { what: string; lines: readonly string[]; anchor?: string }[]) {
    const keys = await readKeySet(new TextEncoder().encode(JSON.stringify(log.jwks)), ['ES256', 'Ed25519']);
    const questions = cases.map(({ lines, anchor }) => ({ lines, anchor }));
    const [, ...answers] = await ask([{ keys: log.jwks }, ...questions]);
    const verdicts = z.array(Verdict).parse(answers);
    let sound = 0;
    for (const [index, { what, lines, anchor }] of cases.entries()) {
      const own = await verifyExport(lines, keys ?? new Map(), anchor);
      const wanted = {
        sound: isSound(own),
        from: isSound(own) ? own.from : expect.any(Number),
        purged_through: isSound(own) ? own.purgedThrough : expect.any(Number),
        proven_through: isSound(own) ? own.tail.provenThrough : expect.any(Number),
        anchored: isSound(own) ? own.tail.anchored : expect.any(Boolean),
      };
      expect(verdicts[index], `${what}\n${lines.join('\n')}`).toEqual(wanted);
      if (wanted.sound) sound += 1;
    }
    return sound;
  }

  it('finds the log sound, whole and from any checkpoint on, and by each anchor', async () => {
    const starts = log.lines.flatMap((line, index) => (line.startsWith('{"checkpoint"') ? [index] : []));
    const sound = await compare([
      { what: 'whole', lines: log.lines },
      // The last one covers no event after it.
      ...starts.slice(0, -1).map((index) => ({ what: `from line ${index}`, lines: log.lines.slice(index) })),
      ...log.checkpoints.map((anchor) => ({ what: 'with an anchor', lines: log.lines, anchor })),
      {
        what: 'without the last checkpoint',
        lines: log.lines.toSpliced(-2, 1),
        anchor: log.checkpoints.at(-1) ?? '',
      },
    ]);
    expect(sound).toBe(1 + (starts.length - 1) + log.checkpoints.length + 1);
  });

  it.each(Object.entries(ALTERATIONS))('agrees on exports in which %s', async (what, alter) => {
    const cases = Array.from({ length: 120 }, (_, index) => {
      const { next } = createRandom(index + 1);
      const anchor = next() < 0.3 ? anyOf(log.checkpoints, next) : undefined;
      const lines = alter(log.lines, next);
      return { what: `${what}, seed ${index + 1}`, lines, ...(anchor === undefined ? {} : { anchor }) };
    });
    // The canonical form does not see the order of members.
    const least = what === 'members change places' ? 1 : 0;
    expect(await compare(cases)).toBeLessThan(cases.length + least);
  });

  it('writes the canonical form of RFC 8785, or refuses it, as ours does', async () => {
    const { next } = createRandom(7);
    const view = new DataView(new ArrayBuffer(8));
    const doubles = Array.from({ length: 3_000 }, () => {
      view.setUint32(0, next() * 2 ** 32);
      view.setUint32(4, next() * 2 ** 32);
      return view.getFloat64(0);
    }).filter(Number.isFinite);
    const texts = [
      ...doubles.map(String),
      ...Array.from({ length: 60 }, (_, power) => `1e${power - 30}`),
      ...Array.from({ length: 60 }, (_, power) => `1.5e${power - 30}`),
      ...[
        '0',
        '-0',
        '-0.0',
        '1E400',
        '9007199254740993',
        '123456789012345678901234567890',
        '0.1',
        '1e-7',
        '1e21',
        '999999999999999999999',
      ],
      ...[
        '"\\ud800"',
        '{"\\udc00":1}',
        '["\\ud83d\\ude00"]',
        '"\\u007f\\u2028\\/"',
        '{"b":1,"a":[true,null,{}]}',
      ],
      '{"\\u20ac":1,"\\r":2,"\\ufb33":3,"1":4,"\\ud83d\\ude00":5,"\\u0080":6,"\\u00f6":7}',
    ];
    const answers = await ask(texts.map((canonical) => ({ canonical })));
    expect(answers).toEqual(texts.map((each) => canonicalText(JSON.parse(each)) ?? null));
  });

  it('has no more than 210 lines', async () => {
    const program = await readFile(`${FOLDER}/audit_verify.py`, 'utf8');
    expect(program.trimEnd().split('\n').length).toBeLessThanOrEqual(210);
  });
});
