import { isSound, type Verification } from '@agent-ticket/broker/src/audit/proof/verification.ts';
import { type Anchor, verifyExport } from '@agent-ticket/broker/src/audit/proof/verify.ts';
import { type KeySet, readKeySet, type SetAlgorithm } from '@agent-ticket/shared/key-set.ts';
import { readStrictJson } from '@agent-ticket/shared/strict-json.ts';
import { TICKET_ALGORITHMS } from '@agent-ticket/shared/ticket.ts';
import * as z from 'zod';
import { painter } from './api/paint.ts';
import { type ExitCode, type Terminal, UsageError } from './command.ts';

interface VerifyOptions {
  /** File with an unfiltered export. */
  readonly file: string;
  /** File or https URL of the audit keys. */
  readonly keys: string;
  /** File with a checkpoint that was kept elsewhere: its JWS, a line of an export, or the answer of `audit seal --json`. */
  readonly anchor?: string | undefined;
  readonly json: boolean;
}

/** `agent-ticket audit verify`: whether an export is what was signed. Uses no network where the keys are a file. */
export async function auditVerify(options: VerifyOptions, terminal: Terminal): Promise<ExitCode> {
  const keys = await readKeys(options.keys, terminal);
  const anchor = options.anchor === undefined ? undefined : await readAnchor(options.anchor, terminal);
  const result = await verifyExport(terminal.readLines(options.file), keys, anchor);
  const sound = isSound(result);
  if (options.json) terminal.out(`${JSON.stringify({ sound, ...result })}\n`);
  else terminal.out(report(result, terminal.colours));
  return sound ? 0 : 1;
}

async function readKeys(place: string, terminal: Terminal): Promise<KeySet<SetAlgorithm>> {
  const text = /^https?:/.test(place) ? await download(place, terminal) : await wholeFile(place, terminal);
  const keys = await readKeySet(new TextEncoder().encode(text), TICKET_ALGORITHMS);
  if (keys !== undefined) return keys;
  throw new UsageError(
    `${place} holds no audit keys. Save <broker>/.well-known/audit-jwks.json and give that file to --keys.`,
  );
}

async function download(url: string, terminal: Terminal): Promise<string> {
  try {
    return await (await terminal.fetch(url)).text();
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new UsageError(`${url} does not answer. Save the keys to a file and give that to --keys.`);
  }
}

const NotedSeal = z.object({
  noted: z.object({ n: z.int().nonnegative(), through: z.int().nonnegative(), hash: z.string() }),
});

/** The compact JWS in a file, alone or in the line of an export that holds it; or the noted seal. */
async function readAnchor(path: string, terminal: Terminal): Promise<string | Anchor> {
  const text = await wholeFile(path, terminal);
  const jws = /[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+/.exec(text)?.[0];
  if (jws !== undefined) return jws;
  const seal = NotedSeal.safeParse(readStrictJson(new TextEncoder().encode(text)));
  if (seal.success) return seal.data.noted;
  throw new UsageError(
    `${path} holds no checkpoint. Give --anchor a file with the "jws" of one, or with the output of "audit seal --json".`,
  );
}

async function wholeFile(path: string, terminal: Terminal): Promise<string> {
  const lines: string[] = [];
  for await (const line of terminal.readLines(path)) lines.push(line);
  return lines.join('\n');
}

function report(result: Verification, colours: boolean): string {
  const { red, green, yellow } = painter(colours);
  const answer = (name: string, faults: readonly string[], good: string): string =>
    faults.length === 0
      ? `${name.padEnd(8)} ${green('ok')}: ${good}\n`
      : faults.map((fault) => `${name.padEnd(8)} ${red('FAULT')}: ${fault}\n`).join('');
  const { content, order, gaps, tail, from, purgedThrough } = result;
  /** Of events before those of the export. */
  const note = (first: number, last: number, why: string): string =>
    first <= last ? `${yellow('note')}: events ${first} to ${last} are not in this export; ${why}\n` : '';
  const end = tail.anchored
    ? `the anchor shows that nothing from event ${from} up to it was cut off`
    : yellow('whether the end was cut off is not proven: give --anchor a checkpoint that was kept elsewhere');
  return [
    `${result.events} events from number ${from} on, ${result.checkpoints} checkpoints\n`,
    note(1, Math.min(purgedThrough, from - 1), 'as a signed event in it says, the log purged them'),
    note(
      purgedThrough + 1,
      from - 1,
      'nothing in it says why: another export has them, or they were cut off',
    ),
    answer('content', content, `every event up to ${tail.provenThrough} is what was signed`),
    answer('order', order, 'every event is in its place'),
    answer('gaps', gaps, 'no event is missing in between'),
    answer(
      'tail',
      tail.faults,
      `proven up to event ${tail.provenThrough}, ${tail.unproven} after it; ${end}`,
    ),
  ].join('');
}
