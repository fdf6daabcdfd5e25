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

it('one that was named and is not there is said, even when there is another', () => {
  const env = { CHROMIUM_PATH: '/opt/mine', PATH: '/usr/bin' };
  expect(() => findChromium(env, among('/usr/bin/chromium'))).toThrow(
    'CHROMIUM_PATH: no program at /opt/mine',
  );
});

it('otherwise the usual names are looked for in the folders of PATH', () => {
  const env = { PATH: '/bin:/usr/bin' };
  expect(findChromium(env, among('/usr/bin/google-chrome', '/usr/bin/chromium'))).toBe('/usr/bin/chromium');
});

it.each([{}, { PATH: '' }, { PATH: '/bin' }])('without one it is said how to get it (%j)', (env) => {
  expect(() => findChromium(env, among())).toThrow(/apt-get install chromium/);
});
