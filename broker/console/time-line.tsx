import { timeAt } from './words.tsx';

/** One row of a time line. Moments are in ms since 1970. */
export interface Span {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  /** It goes on after `to`, which is now. */
  readonly isOpen: boolean;
  readonly kind: 'good' | 'bad' | 'past' | 'soon';
  /** Its state in a word: colour alone tells nothing. */
  readonly text: string;
  readonly marks?: readonly Mark[];
}

interface Mark {
  readonly at: number;
  readonly isBad: boolean;
  readonly text: string;
}

const WIDTH = 1000;
const ROW = 46;
const LABEL = 18;

/** Spans below each other on one axis. What it shows is in a table or list beside it. */
export function TimeLine({ label, spans }: { readonly label: string; readonly spans: readonly Span[] }) {
  const from = Math.min(...spans.map((span) => span.from));
  const to = Math.max(...spans.map((span) => span.to), from + 1000);
  const x = (at: number): number => ((Math.min(Math.max(at, from), to) - from) / (to - from)) * WIDTH;
  const now = Date.now();
  return (
    <figure class="picture">
      <svg
        viewBox={`0 0 ${WIDTH} ${spans.length * ROW}`}
        role="img"
        aria-label={label}
        preserveAspectRatio="none"
      >
        {spans.map(({ name, kind, text, marks = [], ...span }, row) => (
          <g key={name} class={`span ${kind}`}>
            <title>{`${name}: ${text}, ${timeAt(span.from)} to ${span.isOpen ? 'now' : timeAt(span.to)}`}</title>
            <rect
              x={x(span.from)}
              y={row * ROW + LABEL}
              width={Math.max(2, x(span.to) - x(span.from))}
              height={14}
            />
            {marks.map((mark, index) => (
              <g key={index} class={mark.isBad ? 'mark bad' : 'mark'}>
                <title>{`${mark.text}, ${timeAt(mark.at)}`}</title>
                <rect
                  x={x(mark.at) - 1.5}
                  y={row * ROW + LABEL - (mark.isBad ? 10 : 4)}
                  width={3}
                  height={mark.isBad ? 34 : 22}
                />
              </g>
            ))}
          </g>
        ))}
        {from < now && now < to && (
          <line class="now" x1={x(now)} x2={x(now)} y1={0} y2={spans.length * ROW} />
        )}
      </svg>
      <figcaption class="axis">
        <span>{timeAt(from)}</span>
        <span>{to > now ? timeAt(to) : 'now'}</span>
      </figcaption>
    </figure>
  );
}
