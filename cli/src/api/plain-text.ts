/**
 * Characters that a terminal acts on, or that show a text in another order: controls of C0 and C1, DEL, line separators,
 * marks and overrides of direction. Names and user agents are written by strangers.
 */
const ACTIVE = /[\p{Cc}\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/gu;

/** A text of somebody else, for a terminal: each active character is shown as `�`. */
export const plain = (text: string): string => text.replace(ACTIVE, '\ufffd');

/** JSON of one line, the same value without an active character in it. */
export const json = (value: unknown): string => escaped(JSON.stringify(value));

/** The same for a line that is JSON already. */
export const escaped = (line: string): string =>
  line.replace(ACTIVE, (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** The columns that a text takes: two for wide characters, none for those that combine. */
export function widthOf(text: string): number {
  if (/^[\u0020-\u024f]*$/.test(text)) return text.length;
  return [...segmenter.segment(text)].reduce((sum, { segment }) => sum + (WIDE.test(segment) ? 2 : 1), 0);
}

const segmenter = new Intl.Segmenter();
const WIDE =
  /^[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

/**
 * A text cut to at most so many columns, with `…` at the cut, which keeps a third of the width for the end, or none.
 */
export function cut(text: string, width: number, keepsEnd = false): string {
  if (widthOf(text) <= width) return text;
  const parts = [...segmenter.segment(text)].map(({ segment }) => segment);
  const end = keepsEnd ? fitting(parts.toReversed(), Math.floor((width - 1) / 3)).toReversed() : [];
  return `${fitting(parts, width - 1 - widthOf(end.join(''))).join('')}…${end.join('')}`;
}

/** As many parts from the first on as there is room for. */
function fitting(parts: readonly string[], width: number): readonly string[] {
  let used = 0;
  const over = parts.findIndex((part) => {
    used += widthOf(part);
    return used > width;
  });
  return over === -1 ? parts : parts.slice(0, over);
}
