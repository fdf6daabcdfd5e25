import { describe, expect, it } from 'vitest';
import { terminalWith } from '../test/terminal.ts';
import type { Row, Terminal } from './command.ts';
import { run } from './run.ts';

const PEPPER = 'p'.repeat(43);
const ENVIRONMENT = { TOKEN_PEPPER: PEPPER, CONTROL_DATABASE_URL: 'file:control.db' };

function bootstrap(words: readonly string[], given: Partial<Terminal> = {}, made = 1) {
  const asked: (readonly string[])[] = [];
  const rows: readonly Row[] = [{ made }];
  const at = terminalWith({
    environment: ENVIRONMENT,
    // Every character is random enough here; the same ones each time.
    randomBytes: (length) => new Uint8Array(length).fill(7),
    runLibsql: async (_database, statements) => {
      asked.push(statements);
      return rows;
    },
    runWrangler: async (all) => {
      asked.push(all);
      return { code: 0, out: JSON.stringify([{ results: [] }, { results: rows }]), err: '' };
    },
    writePrivate: async (name) => `/config/${name}`,
    lockPrivate: (_, work) => work(),
    ...given,
  });
  return { ...at, asked, code: run(['bootstrap', ...words], at.terminal) };
}

const secretIn = (text: string): string => /atk_\w+/.exec(text)?.[0] ?? 'no secret';

describe('nothing is made', () => {
  it.each<readonly [string, readonly string[], Partial<Terminal>, number, string]>([
    ['without a pepper', [], { environment: { CONTROL_DATABASE_URL: 'file:a' } }, 1, 'TOKEN_PEPPER'],
    [
      'with a pepper that is too short',
      [],
      { environment: { ...ENVIRONMENT, TOKEN_PEPPER: 'p' } },
      1,
      'TOKEN_PEPPER',
    ],
    [
      'with a pepper that a line break follows',
      [],
      { environment: { ...ENVIRONMENT, TOKEN_PEPPER: `${PEPPER}\n` } },
      1,
      'TOKEN_PEPPER',
    ],
    ['without a database', [], { environment: { TOKEN_PEPPER: PEPPER } }, 1, '--d1'],
    ['where an operator exists', [], {}, 0, '--again'],
    ['for a profile without a broker', ['--save', 'a'], {}, 1, '--broker'],
    ['with a name that ends a statement', ['--name', 'a;b'], {}, 1, 'semicolon'],
    [
      'where wrangler says something else',
      ['--d1', 'w.jsonc'],
      { runWrangler: async () => ({ code: 0, out: 'done', err: '' }) },
      1,
      'not known here',
    ],
    [
      'where wrangler is not logged in',
      ['--d1', 'w.jsonc'],
      { runWrangler: async () => ({ code: 1, out: '', err: 'necessary to set a CLOUDFLARE_API_TOKEN' }) },
      1,
      'npx wrangler login',
    ],
  ])('%s, and what to do is said', async (_what, words, given, made, said) => {
    const tried = bootstrap(words, given, made);
    expect(await tried.code).toBe(2);
    expect(tried.said.out).toBe('');
    expect(tried.said.err).toContain(said);
    expect(tried.said.err).not.toContain(PEPPER);
  });
});

describe('the secret', () => {
  it('is printed once, and is in no statement and in no word of wrangler', async () => {
    for (const words of [[], ['--d1', 'broker/wrangler.jsonc']]) {
      const { code, said, asked } = bootstrap(words);
      expect(await code).toBe(0);
      const secret = secretIn(said.out);
      expect(secret).toMatch(/^atk_/);
      expect(said.err).not.toContain(secret);
      expect(JSON.stringify(asked)).not.toContain(secret);
      expect(JSON.stringify(asked)).not.toContain(PEPPER);
    }
  });

  it('is not printed where a profile keeps it', async () => {
    const { code, said } = bootstrap(['--save', 'a', '--broker', 'https://broker.example']);
    expect(await code).toBe(0);
    expect(said.out).toBe('');
    expect(said.err).not.toContain('atk_');
  });

  it('is beside the SQL that --print gives, not in it', async () => {
    const { code, said, asked } = bootstrap(['--print']);
    expect(await code).toBe(0);
    expect(said.out).toContain('INSERT INTO outbox');
    expect(said.out).not.toContain(secretIn(said.err));
    expect(asked).toEqual([]);
  });
});

it('a pepper may come from the file that wrangler got', async () => {
  const { code } = bootstrap(['--secrets-file', 'secrets.json'], {
    environment: { CONTROL_DATABASE_URL: 'file:a' },
    readLines: async function* lines() {
      yield* ['{', `"KEK": "k", "TOKEN_PEPPER": "${PEPPER}"`, '}'];
    },
  });
  expect(await code).toBe(0);
});

it('a quote in a name is a quote in the name', async () => {
  const { asked, code } = bootstrap(['--name', "it's"]);
  expect(await code).toBe(0);
  expect(JSON.stringify(asked)).toContain("'it''s'");
});
