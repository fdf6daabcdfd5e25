import { expect, it } from 'vitest';
import { findChromium } from './find-chromium.ts';

const among =
  (...programs: string[]) =>
  (path: string): boolean =>
    programs.includes(path);

it('the program that was named is taken before any other', () => {
  const env = { CHROMIUM_PATH: '/opt/mine', PATH: '/usr/bin' };
  expect(findChromium(env, among('/opt/mine', '/usr/bin/chromium'))).toBe('/opt/mine');
});

it('a missing configured program is an error, even when another one exists', () => {
  const env = { CHROMIUM_PATH: '/opt/mine', PATH: '/usr/bin' };
  expect(() => findChromium(env, among('/usr/bin/chromium'))).toThrow(
    'CHROMIUM_PATH: no program at /opt/mine',
  );
});

it('by default the usual names are searched in the folders of PATH', () => {
  const env = { PATH: '/bin:/usr/bin' };
  expect(findChromium(env, among('/usr/bin/google-chrome', '/usr/bin/chromium'))).toBe('/usr/bin/chromium');
});

it.each([{}, { PATH: '' }, { PATH: '/bin' }])('without a program the error has the remedy (%j)', (env) => {
  expect(() => findChromium(env, among())).toThrow(/apt-get install chromium/);
});
