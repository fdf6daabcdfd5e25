import { applyD1Migrations } from 'cloudflare:test';
import { env } from 'cloudflare:workers';
import { expect, it } from 'vitest';

/** A broker that is mounted in the worker of its agents has one database for both. */

const namesIn = async (db: D1Database): Promise<unknown[]> => {
  const { results } = await db
    .prepare("SELECT name FROM sqlite_master WHERE name NOT GLOB '_cf_*' AND name NOT GLOB '*d1_migrations*'")
    .all();
  return results.map(({ name }) => name).filter((name) => !String(name).startsWith('sqlite_'));
};

it('takes control and record together: no table and no index has the name of another', async () => {
  await applyD1Migrations(env.TOGETHER, env.CONTROL_MIGRATIONS, 'd1_migrations_control');
  await applyD1Migrations(env.TOGETHER, env.RECORD_MIGRATIONS, 'd1_migrations_record');
  const apart = [...(await namesIn(env.CONTROL)), ...(await namesIn(env.RECORD))];
  expect((await namesIn(env.TOGETHER)).sort()).toEqual(apart.sort());
  expect(new Set(apart).size).toBe(apart.length);
});

it('counts what it applied for each apart: in one table of migrations the record would never be made', async () => {
  const counted = async (table: string) =>
    (await env.TOGETHER.prepare(`SELECT name FROM ${table}`).all()).results;
  expect(await counted('d1_migrations_control')).toEqual(
    env.CONTROL_MIGRATIONS.map(({ name }) => ({ name })),
  );
  expect(await counted('d1_migrations_record')).toEqual(env.RECORD_MIGRATIONS.map(({ name }) => ({ name })));
});
