import { InvalidArgumentError } from '@commander-js/extra-typings';

/** Readers of option values. Each throws the library's error, which the library shows with the option. */

export function port(text: string): number {
  const value = Number(text);
  if (/^[1-9]\d*$/.test(text) && value < 65_536) return value;
  throw new InvalidArgumentError('It must be a TCP port, 1 to 65535.');
}

export function eventNumber(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be the number of an event, 0 or more.');
}

export function seconds(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be seconds, 1 to 9999.');
}
