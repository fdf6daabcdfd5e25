import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type RelyingParty, startRelyingParty, TenantBrowser } from './relying-party.ts';

let broker: RelyingParty;
let tenant: string;

beforeAll(async () => {
  broker = await startRelyingParty();
  tenant = broker.provider.url;
});

afterAll(() => broker.close());

const newBrowser = () => new TenantBrowser(broker.provider);

describe('the sign-in page', () => {
  it('offers people by name, with no script and nothing from elsewhere', async () => {
    const { page } = await newBrowser().follow(broker.authorizeUrl(tenant));
    const html = (await page?.text()) ?? '';
    expect(html).toContain('<html lang="en">');
    expect(html).toMatch(
      /<button name="account" value="auth0\|alice">Alice <small>alice@example.com, owner by a seeded grant<\/small>/,
    );
    expect(html).not.toMatch(/src=|href=|url\(|@import|<script/);
  });

  it('lets a person cancel', async () => {
    const browser = newBrowser();
    const page = await browser.follow(broker.authorizeUrl(tenant));
    const { url } = await browser.follow(page.url, { account: '' });
    expect(url.searchParams.get('error')).toBe('access_denied');
  });

  it('does not work in a browser that did not begin the sign-in', async () => {
    const page = await newBrowser().follow(broker.authorizeUrl(tenant));
    expect((await newBrowser().request(page.url)).status).toBe(400);
  });
});

describe('any page', () => {
  it.each([
    ['that signs in', 200, (browser: TenantBrowser) => browser.follow(broker.authorizeUrl(tenant))],
    [
      'that signs out',
      200,
      async (browser: TenantBrowser) => {
        await browser.follow(broker.authorizeUrl(tenant, { login_hint: 'alice' }));
        return browser.follow(`${tenant}/oidc/logout`);
      },
    ],
    ['after signing out', 200, (browser: TenantBrowser) => browser.follow(`${tenant}/oidc/logout/success`)],
    [
      'with an error',
      400,
      (browser: TenantBrowser) => browser.follow(broker.authorizeUrl(tenant, { client_id: '<script>' })),
    ],
  ])('%s runs and styles itself only by what its policy lists', async (_name, status, open) => {
    const { page } = await open(newBrowser());
    expect(page?.status).toBe(status);
    const policy = page?.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^default-src 'none'; /);
    expect(policy).not.toMatch(/unsafe|http|\*/);
    const html = (await page?.text()) ?? '';
    const inline = [...html.matchAll(/<(style|script)>([^<]*)<\/\1>/g)];
    expect(inline.length).toBe((html.match(/<style|<script/g) ?? []).length);
    for (const [, kind, text = ''] of inline) {
      const digest = createHash('sha256').update(text).digest('base64');
      expect(policy).toContain(`${kind}-src 'sha256-${digest}'`);
    }
  });
});
