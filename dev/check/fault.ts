/** One thing that a check found wrong, where, and why it matters. */
export interface Fault {
  readonly file: string;
  readonly line?: number;
  readonly message: string;
}

/** `file:line  message`, which editors and terminals turn into a link. */
export const faultLine = ({ file, line, message }: Fault): string =>
  `${line === undefined ? file : `${file}:${line}`}  ${message}`;

/** Line of an offset, from 1. */
export const lineOf = (text: string, offset: number): number => text.slice(0, offset).split('\n').length;
