import cities from './cities.json' with { type: 'json' };

export interface City {
  readonly name: string;
  /** IANA time zone; daylight saving comes with it. */
  readonly zone: string;
  /** Degrees north, rounded: what the sample weather depends on. */
  readonly latitude: number;
}

/** The cities that the tools know. */
export const CITIES: readonly City[] = cities;

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
