import { describe, expect, it } from 'vitest';
import { backlogStore } from '../../object/backlog.ts';
import { createObjectTables } from '../../object/tables.ts';
import { inObject } from './object.ts';

type Backlog = ReturnType<typeof backlogStore>;
const inBacklog = (work: (backlog: Backlog) => void): Promise<void> =>
  inObject((sql) => work(backlogStore(sql)));
const facts = (backlog: Backlog): string[] => backlog.oldest(100).map(({ fact }) => fact);

describe('the backlog of an object', () => {
  it('gives facts in the order in which they came, and no more than asked for', () =>
    inBacklog((backlog) => {
      for (const fact of ['c', 'a', 'b', 'a']) backlog.add(fact);
      expect(facts(backlog)).toEqual(['c', 'a', 'b', 'a']);
      expect(backlog.oldest(2).map(({ fact }) => fact)).toEqual(['c', 'a']);
      expect(backlog.count()).toBe(4);
    }));

  it('gives everything that waits, for what outlives a deletion', () =>
    inBacklog((backlog) => {
      for (let index = 0; index < 120; index += 1) backlog.add(`fact-${index}`);
      expect(backlog.all()).toEqual(backlog.oldest(200));
      expect(backlog.all()).toHaveLength(120);
    }));

  it('is empty at first', () =>
    inBacklog((backlog) => {
      expect(backlog.oldest(1)).toEqual([]);
      expect(backlog.count()).toBe(0);
    }));

  it('removes a batch and nothing that came while it was delivered', () =>
    inBacklog((backlog) => {
      for (const fact of ['a', 'b', 'c']) backlog.add(fact);
      const last = backlog.oldest(2).at(-1);
      backlog.add('d');
      backlog.removeThrough(last?.id ?? 0);
      expect(facts(backlog)).toEqual(['c', 'd']);
    }));

  it('removes nothing when a batch is acknowledged twice', () =>
    inBacklog((backlog) => {
      for (const fact of ['a', 'b']) backlog.add(fact);
      const first = backlog.oldest(1)[0]?.id ?? 0;
      backlog.removeThrough(first);
      backlog.removeThrough(first);
      expect(facts(backlog)).toEqual(['b']);
    }));

  it('keeps the order after it was empty in between', () =>
    inBacklog((backlog) => {
      backlog.add('a');
      backlog.removeThrough(backlog.oldest(1)[0]?.id ?? 0);
      for (const fact of ['b', 'c']) backlog.add(fact);
      expect(facts(backlog)).toEqual(['b', 'c']);
    }));

  it('keeps what is in it when the tables are made again', () =>
    inObject((sql) => {
      const backlog = backlogStore(sql);
      backlog.add('a');
      createObjectTables(sql);
      expect(facts(backlog)).toEqual(['a']);
    }));
});
