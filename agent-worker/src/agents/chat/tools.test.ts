import { describe, expect, test } from 'vitest';
import { CITIES, findCity, sampleWeather, timeIn } from './tools.ts';

const cityOf = (name: string) => {
  const city = findCity(name);
  if (city === undefined) throw new Error(`no ${name}`);
  return city;
};
const WINTER = Date.UTC(2026, 0, 15, 23, 30);
const SUMMER = Date.UTC(2026, 6, 15, 23, 30);

test.for([
  ['London', WINTER, '23:30', 'Thursday, 15 January 2026', 'GMT+00:00'],
  ['London', SUMMER, '00:30', 'Thursday, 16 July 2026', 'GMT+01:00'],
  ['Kathmandu', WINTER, '05:15', 'Friday, 16 January 2026', 'GMT+05:45'],
  ['Honolulu', SUMMER, '13:30', 'Wednesday, 15 July 2026', 'GMT-10:00'],
] as const)('in %s at %i it is %s on %s', ([name, now, time, date, utc_offset]) => {
  expect(timeIn(cityOf(name), now)).toMatchObject({ time, date, utc_offset });
});

describe('the sample weather', () => {
  test('is the same all day, and states that it is no forecast', () => {
    const first = sampleWeather(cityOf('Oslo'), WINTER);
    expect(first).toEqual(sampleWeather(cityOf('Oslo'), WINTER - 3600_000));
    expect(first.source).toBe('sample data, not a forecast');
  });

  test('is plausible, everywhere on every day of a year', () => {
    for (const city of CITIES)
      for (let day = 0; day < 365; day += 1) {
        const { temperature_c } = sampleWeather(city, WINTER + day * 24 * 3600_000);
        expect(temperature_c, city.name).toBeGreaterThan(-30);
        expect(temperature_c, city.name).toBeLessThan(45);
      }
  });

  test('has its summer in July in the north, and in January in the south', () => {
    const mean = (name: string, start: number) =>
      Array.from({ length: 20 }, (_, day) => sampleWeather(cityOf(name), start + day * 24 * 3600_000)).reduce(
        (sum, { temperature_c }) => sum + temperature_c / 20,
        0,
      );
    expect(mean('Oslo', SUMMER)).toBeGreaterThan(mean('Oslo', WINTER) + 10);
    expect(mean('Sydney', WINTER)).toBeGreaterThan(mean('Sydney', SUMMER) + 5);
  });
});

test('every city has a time zone that the runtime knows', () => {
  for (const city of CITIES) expect(timeIn(city, WINTER).time, city.name).toMatch(/^\d\d:\d\d$/);
});
