import { InvalidArgumentError } from '@commander-js/extra-typings';
import { isSafeAddress, PROFILE_NAME } from './sign-in/profile.ts';

/** Readers of option values. Each throws the library's error, to which `checkValues` adds the option. */

export function port(text: string): number {
  const value = Number(text);
  if (/^[1-9]\d*$/.test(text) && value < 65_536) return value;
  throw new InvalidArgumentError('It must be a TCP port, 1 to 65535.');
}

/** A port, or 0 for any free one. */
export const anyPort = (text: string): number => (text === '0' ? 0 : port(text));

export function rows(text: string): number {
  if (/^[1-9]\d{0,8}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be a whole number from 1 on.');
}

export function eventNumber(text: string): number {
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be the number of an event, 0 or more.');
}

export function seconds(text: string): number {
  if (/^[1-9]\d{0,3}$/.test(text)) return Number(text);
  throw new InvalidArgumentError('It must be seconds, 1 to 9999.');
}

export function profileName(text: string): string {
  if (PROFILE_NAME.test(text)) return text;
  throw new InvalidArgumentError(
    'It must be 1 to 64 letters, digits, - and _, with a letter or digit first.',
  );
}

export function address(text: string): string {
  if (isSafeAddress(text)) return text;
  throw new InvalidArgumentError('It must be an https address, or http on loopback, without a query.');
}

/** The address of a deployed worker. */
export function deployedAddress(text: string): string {
  const url = URL.parse(text);
  if (url?.protocol === 'https:' && url.origin === text && url.port === '') return text;
  throw new InvalidArgumentError('It must be https:// and a hostname, without a path or a port.');
}

/** The origin of pages. */
export function origin(text: string): string {
  if (URL.canParse(text) && new URL(text).origin === text) return text;
  throw new InvalidArgumentError('It must be an origin such as https://app.example.com, without a path.');
}

export const origins = (text: string, before: readonly string[]): readonly string[] => [
  ...before,
  origin(text),
];

/** A folder of this project. */
export function folderName(text: string): string {
  if (/^[A-Za-z0-9](?:[A-Za-z0-9_-]*[A-Za-z0-9])?$/.test(text)) return text;
  throw new InvalidArgumentError('It must be the name of a folder: letters, digits, - and _.');
}

export function environmentName(text: string): string {
  if (/^[a-z][a-z0-9-]{0,19}$/.test(text)) return text;
  throw new InvalidArgumentError('It must be 1 to 20 small letters, digits and -, with a letter first.');
}

export function libsqlAddress(text: string): string {
  if (/^(file:.|(libsql|https?|wss?):\/\/.)/.test(text)) return text;
  throw new InvalidArgumentError('It must be file:<path>, libsql://<host> or https://<host>.');
}
