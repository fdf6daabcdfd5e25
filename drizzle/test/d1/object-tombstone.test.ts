import { describe, expect, it } from 'vitest';
import { createObjectTables } from '../../object/tables.ts';
import { tombstoneQueries } from '../../object/tombstone.ts';
import { NOW } from '../suite/rows.ts';
import { inObject } from './object.ts';

describe('the tombstone of an object', () => {
  it('is not there before the object was destroyed', () =>
    inObject((sql) => {
      expect(tombstoneQueries(sql).destroyedAt()).toBeUndefined();
    }));

  it('tells of the last time, and outlives the next wake', () =>
    inObject((sql) => {
      const tombstone = tombstoneQueries(sql);
      tombstone.set(NOW);
      tombstone.set(NOW + 1);
      createObjectTables(sql);
      expect(tombstone.destroyedAt()).toBe(NOW + 1);
    }));
});
