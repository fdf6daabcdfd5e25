import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject, it, onTestFinished } from 'vitest';
import { Browser } from './browser.ts';
import { rowsOf, startCommand } from './command-line.ts';

/** The command line of a person: processes against the running stack, and a browser beside them. */

it('a person signs in at the tenant, calls the broker from other processes, and signs out', async () => {
  const { broker, identityProvider } = inject('stack');
  const home = await mkdtemp(join(tmpdir(), 'agent-ticket-login-'));
  onTestFinished(() => rm(home, { recursive: true }));
  const start = (...words: string[]) => startCommand(words, { environment: { XDG_CONFIG_HOME: home } });

  const login = start(
    ...['login', '--broker', broker, '--client-id', 'dev-cli', '--audience', 'https://broker.test/api'],
    ...['--issuer', 'https://dev-tenant.auth.test/', '--issuer-url', identityProvider, '--no-browser'],
  );
  const address = await new Promise<string>((found) =>
    login.child.stderr.on('data', (text) => {
      const [url] = /http:\S+/.exec(String(text)) ?? [];
      if (url !== undefined) found(url);
    }),
  );
  const browser = new Browser();
  const page = await browser.follow(address);
  const { headers } = await browser.get(page, { account: 'auth0|alice' });
  await browser.follow(new URL(headers.get('location') ?? '', page).href);
  expect(await login.ended).toMatchObject({
    code: 0,
    out: 'Signed in as auth0:dev-tenant.auth.test:auth0|alice.\n',
  });

  const me = await start('me', '--json').ended;
  expect(rowsOf(me)).toMatchObject([
    { principal: 'auth0:dev-tenant.auth.test:auth0|alice', method: 'auth0' },
  ]);
  // Alice owns every counter.
  const ticket = await start('ticket', 'counter', 'cli-login', '--json').ended;
  expect(rowsOf(ticket)).toMatchObject([{ role: 'owner' }]);
  const connected = await startCommand(['connect', 'counter', 'cli-login', '--json'], {
    environment: { XDG_CONFIG_HOME: home },
    input: 'call increment\n',
  }).ended;
  expect(connected.code).toBe(0);

  const kept = JSON.parse(await readFile(join(home, 'agent-ticket', 'default.json'), 'utf8'));
  const said = [await login.ended, me, connected].map(({ out, err }) => out + err).join('');
  expect(said).not.toContain(kept.sign_in.access_token);
  expect(said).not.toContain(kept.sign_in.refresh_token);

  expect(await start('logout').ended).toMatchObject({ code: 0 });
  expect(await readdir(join(home, 'agent-ticket'))).toEqual([]);
  expect(await start('me').ended).toMatchObject({
    code: 2,
    err: expect.stringContaining('agent-ticket login'),
  });
});
