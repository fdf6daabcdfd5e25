import type { City } from './cities.ts';

const part = (
  city: City,
  now: number,
  options: Intl.DateTimeFormatOptions,
  type?: Intl.DateTimeFormatPartTypes,
) => {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone: city.zone, ...options });
  return type === undefined
    ? format.format(now)
    : (format.formatToParts(now).find((each) => each.type === type)?.value ?? '');
};

/** The local time of a city; `now` in ms. */
export const timeIn = (city: City, now: number) => ({
  city: city.name,
  time: part(city, now, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' }),
  date: part(city, now, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' }),
  time_zone: city.zone,
  utc_offset: part(city, now, { timeZoneName: 'longOffset' }, 'timeZoneName').replace(/^GMT$/, 'GMT+00:00'),
});

const SKIES = ['clear', 'mostly clear', 'cloudy', 'light rain', 'rain', 'windy'] as const;
const DAY_MS = 24 * 3600_000;
/** Day of the year when the north is warmest. */
const WARMEST_DAY = 200;

/** FNV-1a, for a number that looks like chance and is the same each time. */
const mix = (text: string): number =>
  [...text].reduce(
    (hash, letter) => Math.imul(hash ^ (letter.codePointAt(0) ?? 0), 16_777_619) >>> 0,
    2_166_136_261,
  );

/**
 * Weather that is made up: latitude and season, with a little that looks like chance. The same for a city and a day
 * wherever it is asked, so that the example works without a network. It says of itself that it is no forecast.
 */
export function sampleWeather(city: City, now: number) {
  const day = Math.floor(now / DAY_MS);
  const season = Math.cos(((day % 365) - WARMEST_DAY) * ((2 * Math.PI) / 365));
  const steepness = Math.abs(city.latitude);
  const mean = 28 - steepness * 0.4 + season * Math.sign(city.latitude) * steepness * 0.22;
  const chance = mix(`${city.name} ${day}`);
  return {
    city: city.name,
    temperature_c: Math.round(mean + (chance % 7) - 3),
    sky: SKIES[(chance >>> 8) % SKIES.length] ?? SKIES[0],
    source: 'sample data, not a forecast',
  };
}
