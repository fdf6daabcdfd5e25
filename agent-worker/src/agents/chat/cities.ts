export interface City {
  readonly name: string;
  /** IANA time zone; daylight saving comes with it. */
  readonly zone: string;
  /** Degrees north, rounded: what the sample weather depends on. */
  readonly latitude: number;
}

const city = (name: string, zone: string, latitude: number): City => ({ name, zone, latitude });

/** The cities that the tools know. */
export const CITIES: readonly City[] = [
  city('Amsterdam', 'Europe/Amsterdam', 52),
  city('Athens', 'Europe/Athens', 38),
  city('Auckland', 'Pacific/Auckland', -37),
  city('Bangkok', 'Asia/Bangkok', 14),
  city('Beijing', 'Asia/Shanghai', 40),
  city('Berlin', 'Europe/Berlin', 53),
  city('Buenos Aires', 'America/Argentina/Buenos_Aires', -35),
  city('Cairo', 'Africa/Cairo', 30),
  city('Cape Town', 'Africa/Johannesburg', -34),
  city('Chicago', 'America/Chicago', 42),
  city('Delhi', 'Asia/Kolkata', 29),
  city('Dubai', 'Asia/Dubai', 25),
  city('Helsinki', 'Europe/Helsinki', 60),
  city('Honolulu', 'Pacific/Honolulu', 21),
  city('Istanbul', 'Europe/Istanbul', 41),
  city('Jakarta', 'Asia/Jakarta', -6),
  city('Kathmandu', 'Asia/Kathmandu', 28),
  city('Lagos', 'Africa/Lagos', 6),
  city('Lima', 'America/Lima', -12),
  city('Lisbon', 'Europe/Lisbon', 39),
  city('London', 'Europe/London', 52),
  city('Los Angeles', 'America/Los_Angeles', 34),
  city('Madrid', 'Europe/Madrid', 40),
  city('Mexico City', 'America/Mexico_City', 19),
  city('Mumbai', 'Asia/Kolkata', 19),
  city('Nairobi', 'Africa/Nairobi', -1),
  city('New York', 'America/New_York', 41),
  city('Oslo', 'Europe/Oslo', 60),
  city('Paris', 'Europe/Paris', 49),
  city('Reykjavik', 'Atlantic/Reykjavik', 64),
  city('Rome', 'Europe/Rome', 42),
  city('San Francisco', 'America/Los_Angeles', 38),
  city('Sao Paulo', 'America/Sao_Paulo', -24),
  city('Seoul', 'Asia/Seoul', 38),
  city('Singapore', 'Asia/Singapore', 1),
  city('Stockholm', 'Europe/Stockholm', 59),
  city('Sydney', 'Australia/Sydney', -34),
  city('Tokyo', 'Asia/Tokyo', 36),
  city('Toronto', 'America/Toronto', 44),
  city('Vienna', 'Europe/Vienna', 48),
];

/** Spellings alike: small letters, no accents, single spaces. */
const plain = (text: string): string =>
  text
    .normalize('NFD')
    .replace(/\p{Mark}/gu, '')
    .toLowerCase()
    .replace(/[^a-z]+/g, ' ')
    .trim();

export const findCity = (name: string): City | undefined =>
  CITIES.find((each) => plain(each.name) === plain(name));

/** The known cities that a sentence names, in the order of the table. */
export const citiesIn = (sentence: string): City[] =>
  CITIES.filter(({ name }) => ` ${plain(sentence)} `.includes(` ${plain(name)} `));
