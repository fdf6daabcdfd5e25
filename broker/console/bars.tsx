import { shortTimeAt, timeAt } from './words.tsx';

interface Point {
  readonly at: string;
  /** One for each series. */
  readonly values: readonly number[];
}

interface Series {
  readonly name: string;
  readonly kind: 'good' | 'bad';
}

interface BarsProps {
  readonly title: string;
  /** The picture in a sentence. */
  readonly about: string;
  readonly points: readonly Point[];
  readonly series: readonly Series[];
}

const WIDTH = 600;
const HEIGHT = 120;

/** Counts over time as stacked bars, with the same figures in a table behind it. */
export function Bars({ title, about, points, series }: BarsProps) {
  const sums = points.map(({ values }) => values.reduce((sum, value) => sum + value, 0));
  const most = Math.max(1, ...sums);
  const step = WIDTH / Math.max(1, points.length);
  const height = (value: number): number => (value / most) * HEIGHT;
  const [first, last] = [points[0], points.at(-1)];
  return (
    <figure class="picture">
      <figcaption>
        <h3>{title}</h3>
        <p class="note">
          {about}.{Math.max(...sums) > 0 && ` The highest bar is ${most.toLocaleString('en-GB')}.`}
          {series.length > 1 &&
            ` Each bar has, from the bottom up, ${series.map(({ name }) => name).join(', then ')}.`}
        </p>
      </figcaption>
      <svg
        class="bars"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={`${title}: ${about}. The table has every figure.`}
        preserveAspectRatio="none"
      >
        {points.map(({ at, values }, index) => {
          let top = HEIGHT;
          return (
            <g key={at}>
              <title>{`${timeAt(Date.parse(at))}: ${values.map((value, each) => `${value} ${series[each]?.name}`).join(', ')}`}</title>
              {values.map((value, each) => {
                top -= height(value);
                return (
                  <rect
                    key={series[each]?.name}
                    class={`bar ${series[each]?.kind}`}
                    x={index * step}
                    y={top}
                    width={Math.max(1, step - 1)}
                    height={height(value)}
                  />
                );
              })}
            </g>
          );
        })}
      </svg>
      <p class="axis">
        <span>{first === undefined ? '' : shortTimeAt(Date.parse(first.at))}</span>
        <span>{last === undefined ? '' : shortTimeAt(Date.parse(last.at))}</span>
      </p>
      <details>
        <summary>Table</summary>
        <table aria-label={`${title}, every figure`}>
          <thead>
            <tr>
              <th scope="col">From</th>
              {series.map(({ name }) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {points.toReversed().map(({ at, values }) => (
              <tr key={at}>
                <th scope="row">{timeAt(Date.parse(at))}</th>
                {values.map((value, each) => (
                  <td key={series[each]?.name}>{value.toLocaleString('en-GB')}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
