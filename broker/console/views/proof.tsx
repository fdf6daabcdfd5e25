import { useEffect, useRef, useState } from 'preact/hooks';
import { addressOf, type Failure, type Outcome, send } from '../api.ts';
import type { Proven } from '../audit-proof.ts';
import { Fault } from '../fault.tsx';
import { counted } from '../words.tsx';

/** The state of an export or a verification. */
type Work =
  | { readonly step: 'reading'; readonly what: 'export' | 'verify'; readonly events: number }
  | { readonly step: 'failed'; readonly failure: Failure }
  | { readonly step: 'saved'; readonly events: number }
  | { readonly step: 'proven'; readonly proven: Proven };

/** Lines that are read before the page may react to the person. */
const LINES_AT_ONCE = 500;

/** The export of the audit log to a file, and its verification in this page. */
export function Proof({ newest }: { readonly newest: number | undefined }) {
  const [work, setWork] = useState<Work>();
  const stop = useRef<AbortController>(undefined);
  const file = useRef<HTMLInputElement>(null);
  const anchor = useRef<HTMLInputElement>(null);
  useEffect(() => () => stop.current?.abort(), []);

  const begin = async (
    what: 'export' | 'verify',
    run: (signal: AbortSignal) => Promise<Work>,
  ): Promise<void> => {
    stop.current = new AbortController();
    const { signal } = stop.current;
    setWork({ step: 'reading', what, events: 0 });
    const ended = await run(signal).catch((error: unknown): Work | undefined => {
      if (signal.aborted) return undefined;
      const failure = failureOf(error);
      if (failure !== undefined) return { step: 'failed', failure };
      setWork(undefined);
      throw error;
    });
    setWork(ended);
  };

  const count = (what: 'export' | 'verify') => (events: number) => setWork({ step: 'reading', what, events });

  const save = (signal: AbortSignal) => saveExport(signal, count('export'));
  const verify = async (signal: AbortSignal): Promise<Work> => {
    const chosen = file.current?.files?.[0];
    const keys = await send(addressOf('/.well-known/audit-jwks.json'), { signal }, (answer) => answer.text());
    if (!keys.ok) return { step: 'failed', failure: keys.failure };
    const source =
      chosen === undefined ? await openExport(signal) : { ok: true as const, value: chosen.stream() };
    if (!source.ok) return { step: 'failed', failure: source.failure };
    const { prove } = await import('../audit-proof.ts');
    const lines = countedLines(source.value, count('verify'), signal);
    const proven = await prove(lines, keys.value, anchor.current?.value.trim() || undefined);
    return proven === undefined
      ? { step: 'failed', failure: { status: 503, message: 'the broker has no audit keys yet' } }
      : { step: 'proven', proven };
  };

  const isBusy = work?.step === 'reading';
  return (
    <details class="filter">
      <summary>Export and verify the whole log</summary>
      <div class="proof">
        <p class="about">
          An export is the log as it was signed, with its checkpoints: one JSON object a line. The
          verification recomputes every hash and signature here, in your browser. Its keys come from this
          broker. If you do not trust this broker, use the command line, with keys and an anchor that were
          kept elsewhere.
        </p>
        <div class="fields">
          <div class="field">
            <label for="proof-file">File of an earlier export</label>
            <input id="proof-file" type="file" accept=".ndjson" ref={file} />
            <span class="note">Left out: the log as the broker has it now.</span>
          </div>
          <div class="field">
            <label for="proof-anchor">Anchor</label>
            <input id="proof-anchor" ref={anchor} spellcheck={false} autocomplete="off" />
            <span class="note">
              The jws of a checkpoint that was kept elsewhere. It shows that nothing was cut off the end.
            </span>
          </div>
        </div>
        <div class="actions">
          <button type="button" disabled={isBusy} onClick={() => void begin('verify', verify)}>
            Verify
          </button>
          <button type="button" class="plain" disabled={isBusy} onClick={() => void begin('export', save)}>
            Export to a file
          </button>
          {isBusy && (
            <button type="button" class="plain" onClick={() => stop.current?.abort()}>
              Stop
            </button>
          )}
        </div>
        {work !== undefined && <Report work={work} newest={newest} />}
      </div>
    </details>
  );
}

function Report({ work, newest }: { readonly work: Work; readonly newest: number | undefined }) {
  switch (work.step) {
    case 'reading':
      return (
        <p role="status">
          {work.what === 'export' ? 'Reading' : 'Verifying'}: {counted(work.events, 'event')}
          {newest !== undefined && newest > 0 && ` of about ${newest.toLocaleString('en-GB')}`} …{' '}
          <progress value={work.events} max={Math.max(newest ?? 0, work.events, 1)} />
        </p>
      );
    case 'failed':
      return <Fault failure={work.failure} />;
    case 'saved':
      return <p role="status">{counted(work.events, 'event')} exported.</p>;
    case 'proven':
      return <Verdict proven={work.proven} />;
  }
}

function Verdict({ proven: { isSound, verification } }: { readonly proven: Proven }) {
  const { content, order, gaps, tail, events, checkpoints, from } = verification;
  const answers = [
    ['Content', content, `every event up to ${tail.provenThrough} is as it was signed`],
    ['Order', order, 'every event is in its place'],
    ['Gaps', gaps, 'no event is missing in between'],
    [
      'End',
      tail.faults,
      tail.anchored
        ? `the anchor shows that nothing from event ${from} up to it was cut off`
        : 'without an anchor it is not proven that nothing was cut off the end',
    ],
  ] as const;
  return (
    <div role="status" class="consequence">
      <p>
        <strong class={`state ${isSound ? 'good' : 'bad'}`}>
          {isSound ? 'The log is sound.' : 'The log is not sound.'}
        </strong>{' '}
        {counted(events, 'event')} from number {from} on and {counted(checkpoints, 'checkpoint')} were read;{' '}
        {counted(tail.unproven, 'event')} at the end {tail.unproven === 1 ? 'is' : 'are'} in no checkpoint
        yet.
      </p>
      <dl>
        {answers.map(([name, faults, good]) => (
          <>
            <dt>{name}</dt>
            <dd>
              {faults.length === 0 ? (
                <span class={`state ${name === 'End' && !tail.anchored ? 'past' : 'good'}`}>{good}</span>
              ) : (
                faults.map((fault) => (
                  <p key={fault} class="state bad">
                    {fault}
                  </p>
                ))
              )}
            </dd>
          </>
        ))}
      </dl>
    </div>
  );
}

/** What may end the reading of an answer or of a file; `undefined` for anything else. */
function failureOf(error: unknown): Failure | undefined {
  // The connection broke within the answer.
  if (error instanceof TypeError) return { status: 0, message: error.message };
  if (error instanceof DOMException && error.name === 'NotReadableError')
    return { status: 400, message: 'the file cannot be read any more: choose it again' };
  return undefined;
}

type Bytes = ReadableStream<Uint8Array<ArrayBuffer>>;

const openExport = (signal: AbortSignal): Promise<Outcome<Bytes>> =>
  send(addressOf('/admin/agents/audit/export'), { signal }, async ({ body }) => body ?? new Blob().stream());

/**
 * The whole lines of a text, counted while they come. A last line without a line feed was cut off, and is left out.
 * Rejects when `signal` ends it: the stream of a file has no signal of its own.
 */
async function* countedLines(
  body: Bytes,
  count: (events: number) => void,
  signal: AbortSignal,
): AsyncGenerator<string> {
  const reader = body.pipeThrough(new TextDecoderStream(), { signal }).getReader();
  let rest = '';
  let events = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const lines = (rest + value).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      yield line;
      if (line.startsWith('{"event"')) events += 1;
      if (events % LINES_AT_ONCE === 0) await new Promise((resolve) => setTimeout(resolve));
      signal.throwIfAborted();
    }
    count(events);
  }
}

/** Writes the export to a file, which the browser keeps on disk while it grows. */
async function saveExport(signal: AbortSignal, count: (events: number) => void): Promise<Work> {
  const source = await openExport(signal);
  if (!source.ok) return { step: 'failed', failure: source.failure };
  const parts: Blob[] = [];
  let events = 0;
  const counting = (now: number): void => {
    events = now;
    count(now);
  };
  let lines: string[] = [];
  for await (const line of countedLines(source.value, counting, signal)) {
    lines.push(`${line}\n`);
    if (lines.length < LINES_AT_ONCE) continue;
    parts.push(new Blob(lines));
    lines = [];
  }
  parts.push(new Blob(lines));
  const url = URL.createObjectURL(new Blob(parts, { type: 'application/x-ndjson' }));
  const link = document.createElement('a');
  link.href = url;
  link.download = `audit-${new Date().toISOString().slice(0, 19).replaceAll(':', '')}.ndjson`;
  link.click();
  URL.revokeObjectURL(url);
  return { step: 'saved', events };
}
