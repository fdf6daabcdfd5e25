import { createClient } from '@libsql/client';
import { describe, expect, it, onTestFinished } from 'vitest';
import { openLibsqlFile } from '../../open-libsql-file.ts';
import { isBusy, isOutage } from '../../outage.ts';
import { temporaryFolder } from './folder.ts';

const folder = temporaryFolder();
let files = 0;

const plain = (sql: string, ...params: unknown[]) => ({ sql, params });
const insert = (id: unknown) => plain('INSERT INTO notes (id) VALUES (?)', id);

/** A file with tables, and a second connection to it. */
async function opened(deadlineMs = 20_000) {
  files += 1;
  const url = `file:${folder}/${files}.db`;
  const file = await openLibsqlFile(url, deadlineMs);
  onTestFinished(() => file.close());
  await file.batch([plain('CREATE TABLE notes (id TEXT PRIMARY KEY) STRICT')]);
  await file.batch([
    plain('CREATE TABLE replies (note TEXT REFERENCES notes (id) DEFERRABLE INITIALLY DEFERRED)'),
  ]);
  const other = createClient({ url });
  onTestFinished(() => other.close());
  const ids = async () => (await other.execute('SELECT id FROM notes ORDER BY id')).rows.map(({ id }) => id);
  return { file, other, ids };
}

const outcomes = async (asked: readonly Promise<unknown>[]) =>
  (await Promise.allSettled(asked)).map(({ status }) => status);

describe('the batches of one turn', () => {
  it('are all in the file when their callers are answered', async () => {
    const { file, ids } = await opened();
    const seen = await Promise.all(['a', 'b', 'c'].map((id) => file.batch([insert(id)]).then(ids)));
    expect(seen).toEqual([
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
      ['a', 'b', 'c'],
    ]);
  });

  it.each([
    ['a single statement', [insert('a')]],
    ['the last of several statements', [insert('c'), insert('a')]],
    ['a statement that is none', [insert('c'), plain('SELEKT')]],
    ['a value that cannot be stored', [insert('c'), insert(undefined)]],
  ])('are written without the one that fails by %s', async (_by, bad) => {
    const { file, ids } = await opened();
    const asked = [[insert('a')], bad, [insert('b'), insert('d')]].map(file.batch);
    expect(await outcomes(asked)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect(await ids()).toEqual(['a', 'b', 'd']);
    await file.batch([insert('e')]);
    expect(await ids()).toEqual(['a', 'b', 'd', 'e']);
  });

  it('are written without the one that the commit fails for', async () => {
    const { file, ids } = await opened();
    const asked = [insert('a'), plain('INSERT INTO replies VALUES (?)', 'missing'), insert('b')];
    expect(await outcomes(asked.map((query) => file.batch([query])))).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(await ids()).toEqual(['a', 'b']);
    await file.batch([insert('c')]);
    expect(await ids()).toEqual(['a', 'b', 'c']);
  });

  it.each([
    ['a single statement', [insert('x'.repeat(200_000))]],
    ['the last of several statements', [insert('c'), insert('x'.repeat(200_000))]],
  ])('are written without the one for which the disk has no space: %s', async (_what, big) => {
    const { file, ids } = await opened();
    const pages = (await file.batch([plain('PRAGMA page_count')])).flat(2)[0];
    await file.batch([plain(`PRAGMA max_page_count = ${Number(pages) + 2}`)]);
    const asked = [[insert('a')], big, [insert('b')], [insert('d'), insert('e')]].map(file.batch);
    const results = await Promise.allSettled(asked);
    expect(results.map((result) => result.status === 'rejected' && isOutage(result.reason))).toEqual([
      false,
      true,
      false,
      false,
    ]);
    expect(await ids()).toEqual(['a', 'b', 'd', 'e']);
  });

  it('are all refused as an outage where the disk has no space for any', async () => {
    const { file, ids } = await opened();
    await file.batch([plain('PRAGMA max_page_count = 1')]);
    const asked = ['a', 'b', 'c'].map((id) => file.batch([insert(id + 'x'.repeat(200_000))]));
    const results = await Promise.allSettled(asked);
    expect(results.map((result) => result.status === 'rejected' && isOutage(result.reason))).toEqual(
      Array(3).fill(true),
    );
    expect(await ids()).toEqual([]);
    await file.batch([plain('PRAGMA max_page_count = 1000')]);
    await file.batch([insert('d')]);
    expect(await ids()).toEqual(['d']);
  });

  it('are all written, however many they are', async () => {
    const { file, ids } = await opened();
    const names = Array.from({ length: 1_000 }, (_, index) => String(index).padStart(4, '0'));
    await Promise.all(names.map((name) => file.batch([insert(name)])));
    expect(await ids()).toEqual(names);
  });
});

it('who reads while a commit is on its way never sees what that commit refuses', async () => {
  const { file } = await opened();
  const replies = async () => (await file.batch([plain('SELECT count(*) FROM replies')])).flat(2);
  const asked = outcomes([file.batch([plain('INSERT INTO replies VALUES (?)', 'missing')])]);
  let isAnswered = false;
  void asked.then(() => {
    isAnswered = true;
  });
  while (!isAnswered) {
    expect(await replies()).toEqual([0]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect([await asked, await replies()]).toEqual([['rejected'], [0]]);
});

it('who reads while a commit fails reads beside no batch that is written by itself then', async () => {
  const { file } = await opened();
  const counts = (what: string) => plain(`SELECT count(*) FROM ${what}`);
  const asked = outcomes(
    [
      [plain('INSERT INTO replies VALUES (?)', 'missing')],
      [plain('INSERT INTO replies VALUES (?)', 'missing')],
      [insert('a')],
    ].map(file.batch),
  );
  let isAnswered = false;
  void asked.then(() => {
    isAnswered = true;
  });
  const read: unknown[] = [];
  while (!isAnswered) {
    read.push(file.batch([counts('replies'), plain('SELECT 1')]), file.batch([counts('replies')]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await asked).toEqual(['rejected', 'rejected', 'fulfilled']);
  expect(new Set((await Promise.all(read)).map((rows) => JSON.stringify(rows)))).toEqual(
    new Set(['[[[0]],[[1]]]', '[[[0]]]']),
  );
});

describe('while another connection has the lock', () => {
  it('nobody is answered, and those who cannot wait any longer get the error of the lock', async () => {
    const { file, other, ids } = await opened(60);
    const lock = await other.transaction('write');
    const answers: string[] = [];
    const asked = ['a', 'b'].map((id) => file.batch([insert(id)]).then(() => answers.push(id)));
    const results = await Promise.allSettled(asked);
    expect(results.map((result) => result.status === 'rejected' && isBusy(result.reason))).toEqual([
      true,
      true,
    ]);
    await lock.rollback();
    expect([answers, await ids()]).toEqual([[], []]);
  });

  it('reading goes on, while a write waits and afterwards', async () => {
    const { file, other } = await opened();
    const lock = await other.transaction('write');
    const asked = file.batch([insert('a')]);
    const read = () => file.batch([plain('SELECT count(*) FROM notes'), plain('SELECT 1')]);
    for (let turn = 0; turn < 3; turn += 1) {
      await new Promise((resolve) => setImmediate(resolve));
      expect(await read()).toEqual([[[0]], [[1]]]);
    }
    await lock.rollback();
    await asked;
    expect(await read()).toEqual([[[1]], [[1]]]);
  });

  it('closing does not wait for it: what was asked for is refused', async () => {
    const { file, other, ids } = await opened();
    const lock = await other.transaction('write');
    const asked = outcomes([file.batch([insert('a')])]);
    const closed = file.close();
    expect(await asked).toEqual(['rejected']);
    await closed;
    await lock.rollback();
    expect(await ids()).toEqual([]);
  });
});

it('closing commits what was asked for, and refuses what comes afterwards', async () => {
  const { file, ids } = await opened();
  const asked = outcomes([file.batch([insert('a')]), file.batch([insert('b')])]);
  const closed = file.close();
  expect(await asked).toEqual(['fulfilled', 'fulfilled']);
  await closed;
  expect(await ids()).toEqual(['a', 'b']);
  await expect(file.batch([insert('c')])).rejects.toThrow('closed');
  await expect(file.batch([plain('SELECT 1')])).rejects.toThrow('closed');
});

it('a text is prepared anew when it was forgotten among many others', async () => {
  const { file } = await opened();
  const values = [...Array.from({ length: 600 }, (_, index) => index), 0];
  const read = await Promise.all(values.map((value) => file.batch([plain(`SELECT ${value}`)])));
  expect(read).toEqual(values.map((value) => [[[value]]]));
});

it.each([undefined, Number.NaN, {}, () => 1, Symbol('a')])('refuses the value %s', async (value) => {
  const { file } = await opened();
  await expect(file.batch([plain('SELECT ?', value)])).rejects.toThrow(TypeError);
});

it.each(['file://elsewhere/a.db', 'file:', 'file:///a.db?mode=ro'])('takes no URL like %s', async (url) => {
  await expect(openLibsqlFile(url, 60)).rejects.toThrow('file URL');
});
