import { describe, expect, it, vi } from 'vitest';
import { findVectors } from '../test/vectors.ts';

/** Tests that need the vectors must not vanish unnoticed. */

const SOURCE = 'file:///src/project/shared/src/x.test.ts';
const nowhere = () => false;

describe('the test vectors', () => {
  it('are found beside the project, above it, and where the environment says', () => {
    const only = (place: string) => (file: URL) => file.href === `file://${place}SOURCES.md`;
    const find = (env: object, place: string) => findVectors(env, SOURCE, only(place))?.pathname;
    expect(find({}, '/src/shared/vectors/')).toBe('/src/shared/vectors/');
    expect(find({}, '/shared/vectors/')).toBe('/shared/vectors/');
    expect(find({ TEST_VECTORS: '/elsewhere' }, '/elsewhere/')).toBe('/elsewhere/');
  });

  it('fail the run in CI where they are missing', () => {
    expect(() => findVectors({ CI: 'true' }, SOURCE, nowhere)).toThrow('the test vectors are missing');
    expect(() => findVectors({ CI: 'true', TEST_VECTORS: '/gone' }, SOURCE, nowhere)).toThrow('missing');
  });

  it('are skipped elsewhere, and the run says which tests are', () => {
    const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
    expect(findVectors({}, SOURCE, nowhere)).toBeUndefined();
    expect(warn.mock.calls.join()).toContain(SOURCE);
    warn.mockRestore();
  });
});
