import type { ComponentChild } from 'preact';
import type { Receipt } from './shapes.ts';

/** How values are written for people. */

const DAY_AND_TIME = new Intl.DateTimeFormat('en-GB', {
  ...{ day: '2-digit', month: 'short', year: 'numeric' },
  ...{ hour: '2-digit', minute: '2-digit', second: '2-digit' },
});
const SHORT = new Intl.DateTimeFormat('en-GB', {
  ...{ day: '2-digit', month: 'short', hour: '2-digit', minute: '2-digit' },
});
const TIME = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' });

const UNITS = [
  ['day', 86_400],
  ['hour', 3600],
  ['minute', 60],
  ['second', 1],
] as const;

/** `3 minutes`, of any number of seconds, in the largest unit of which there are two, or one exactly. */
export function lengthOf(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [unit, size] =
    UNITS.find(([, each]) => whole >= 2 * each || (whole > 0 && whole === each)) ?? UNITS[3];
  return counted(Math.round(whole / size), unit);
}

export const counted = (count: number, noun: string): string =>
  `${count.toLocaleString('en-GB')} ${noun}${count === 1 ? '' : 's'}`;

export const timeAt = (ms: number): string => DAY_AND_TIME.format(ms);

/** Without year and seconds, where there is little room. */
export const shortTimeAt = (ms: number): string => SHORT.format(ms);

export const timeOfDay = (ms: number): string => TIME.format(ms);

/** A moment in the person's own time; the exact one, in UTC, is its title. */
export function Moment({ at }: { readonly at: string | null | undefined }) {
  if (at === null || at === undefined) return <>–</>;
  return (
    <time dateTime={at} title={at}>
      {DAY_AND_TIME.format(Date.parse(at))}
    </time>
  );
}

/** How long ago a moment is, or how far ahead. */
export function Age({ at }: { readonly at: string | null | undefined }) {
  if (at === null || at === undefined) return <>–</>;
  const seconds = (Date.now() - Date.parse(at)) / 1000;
  return (
    <time dateTime={at} title={`${DAY_AND_TIME.format(Date.parse(at))} (${at})`}>
      {seconds < 0 ? `in ${lengthOf(-seconds)}` : `${lengthOf(seconds)} ago`}
    </time>
  );
}

/** A name that a machine made: an id, a principal, an instance. */
export const Code = ({ children }: { readonly children: ComponentChild }) => <code>{children}</code>;

/** The effect of a command on live sockets. */
export function ReceiptText({ receipt }: { readonly receipt: Receipt | undefined }) {
  if (receipt === undefined) return null;
  const { closed, objects, unreachable, pending, ms } = receipt;
  const left = unreachable + pending;
  return (
    <>
      <p>
        {closed === 0
          ? 'No live connection was left to close'
          : `${counted(closed, 'live connection')} closed at ${counted(objects, 'agent instance')}`}
        , in {ms} ms.
      </p>
      {left > 0 && (
        <p class="warning">
          {counted(left, 'instance')} did not answer yet. The broker repeats the command each minute until
          they do; until then no earlier ticket opens a session there.
        </p>
      )}
    </>
  );
}

/** How long a right or a lock lasts, in seconds. */
export const DURATIONS = [
  ['', 'No end'],
  ['900', '15 minutes'],
  ['3600', '1 hour'],
  ['28800', '8 hours'],
  ['86400', '1 day'],
  ['2592000', '30 days'],
] as const;

/** A member of a body from a choice of {@link DURATIONS}; none where there is no end. */
export const secondsOf = (name: string, text: string | undefined): Readonly<Record<string, number>> =>
  text === undefined ? {} : { [name]: Number(text) };
