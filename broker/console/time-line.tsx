import { timeAt } from './words.tsx';

/** One row of a time line. Moments are in ms since 1970. */
export interface Span {
  readonly name: string;
  readonly from: number;
  /** Left out: it goes on. */
  readonly to: number | undefined;
  readonly kind: 'good' | 'bad' | 'past' | 'soon';
  /** Its state in a word, since some people cannot see its colour. */
  readonly text: string;
  readonly marks?: readonly Mark[];
}

interface Mark {
  readonly at: number;
  readonly isBad: boolean;
  readonly text: string;
}

const WIDTH = 1000;
const HEIGHT = 34;

/** Spans below each other on one axis. A table or list beside the picture has the same content. */
export function TimeLine({ label, spans }: { readonly label: string; readonly spans: readonly Span[] }) {
  const now = Date.now();
  const from = Math.min(...spans.map((span) => span.from));
  const known = Math.max(now, from + 1000, ...spans.map((span) => span.to ?? span.from));
  // A span without an end has some room after its start.
  const to = known > now ? known + (known - from) / 10 : known;
  const x = (at: number): number => ((Math.min(Math.max(at, from), to) - from) / (to - from)) * WIDTH;
  return (
    <figure class="picture" role="img" aria-label={label}>
      {spans.map(({ name, kind, text, marks = [], ...span }) => (
        <div key={name} class="span">
          <p class="note">
            <code>{name}</code> {text}
          </p>
          <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
            <title>{`${name}: ${text}, ${timeAt(span.from)} to ${span.to === undefined ? 'no end' : timeAt(span.to)}`}</title>
            <rect
              class={`bar ${kind}`}
              x={x(span.from)}
              y={10}
              width={Math.max(2, x(span.to ?? to) - x(span.from))}
              height={14}
            />
            {marks.map((mark, index) => (
              <rect
                key={index}
                class={mark.isBad ? 'mark bad' : 'mark'}
                x={x(mark.at) - 1.5}
                y={mark.isBad ? 0 : 6}
                width={3}
                height={mark.isBad ? HEIGHT : 22}
              >
                <title>{`${mark.text}, ${timeAt(mark.at)}`}</title>
              </rect>
            ))}
            {now < to && <line class="now" x1={x(now)} x2={x(now)} y1={0} y2={HEIGHT} />}
          </svg>
        </div>
      ))}
      <figcaption class="axis">
        <span>{timeAt(from)}</span>
        {to > now && <span>the line marks the present, {timeAt(now)}</span>}
        <span>{to > now ? timeAt(to) : 'now'}</span>
      </figcaption>
    </figure>
  );
}
