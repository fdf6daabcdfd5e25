import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, it, onTestFinished } from 'vitest';
import { Browser } from './browser.ts';
import { rowsOf, startCommand } from './command-line.ts';

/** The command line of a person: processes against the running stack, and a browser beside them. */

async function openHome() {
  const home = await mkdtemp(join(tmpdir(), 'agent-ticket-login-'));
  onTestFinished(() => rm(home, { recursive: true }));
  const start = (words: readonly string[], input?: string) =>
    startCommand(words, {
      environment: { XDG_CONFIG_HOME: home },
      ...(input !== undefined && { input }),
    });
  return { home, start, run: (...words: string[]) => start(words).ended };
}

/** Signs a person of the tenant in, as `login` asks for it. */
async function signIn(nickname: string, start: Awaited<ReturnType<typeof openHome>>['start']) {
  const { broker, identityProvider } = inject('stack');
  const login = start([
    ...['login', '--broker', broker, '--client-id', 'dev-cli', '--audience', 'https://broker.test/api'],
    ...['--issuer', 'https://dev-tenant.auth.test/', '--issuer-url', identityProvider, '--no-browser'],
  ]);
  const address = await new Promise<string>((found) =>
    login.child.stderr.on('data', (text) => {
      const [url] = /http:\S+/.exec(String(text)) ?? [];
      if (url !== undefined) found(url);
    }),
  );
  const browser = new Browser();
  const page = await browser.follow(address);
  const { headers } = await browser.get(page, { account: `auth0|${nickname}` });
  await browser.follow(new URL(headers.get('location') ?? '', page).href);
  return login.ended;
}

it('a person signs in at the tenant, calls the broker from other processes, and signs out', async () => {
  const { home, start, run } = await openHome();
  const login = await signIn('alice', start);
  expect(login).toMatchObject({
    code: 0,
    out: 'Signed in as auth0:dev-tenant.auth.test:auth0|alice.\n',
  });

  const me = await run('me', '--json');
  expect(rowsOf(me)).toMatchObject([
    { principal: 'auth0:dev-tenant.auth.test:auth0|alice', method: 'auth0' },
  ]);
  // Alice owns every counter.
  expect(rowsOf(await run('ticket', 'counter', 'cli-login', '--json'))).toMatchObject([{ role: 'owner' }]);
  const connected = await start(['connect', 'counter', 'cli-login', '--json'], 'call increment\n').ended;
  expect(connected.code).toBe(0);

  const kept = JSON.parse(await readFile(join(home, 'agent-ticket', 'default.json'), 'utf8'));
  const said = [login, me, connected].map(({ out, err }) => out + err).join('');
  expect(said).not.toContain(kept.sign_in.access_token);
  expect(said).not.toContain(kept.sign_in.refresh_token);

  expect(await run('logout')).toMatchObject({ code: 0 });
  expect(await readdir(join(home, 'agent-ticket'))).toEqual([]);
  expect(await run('me')).toMatchObject({ code: 2, err: expect.stringContaining('agent-ticket login') });
});

it('an operator signs in instead of using a service token', async () => {
  const { start, run } = await openHome();
  expect(await signIn('olga', start)).toMatchObject({ code: 0 });
  expect(await run('sessions', 'list', '--json')).toMatchObject({ code: 0, err: '' });
  expect(rowsOf(await run('keys', 'list', '--json'))).not.toEqual([]);
});
