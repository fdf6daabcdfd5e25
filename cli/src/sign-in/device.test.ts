import { describe, expect, it } from 'vitest';
import { asAlice, BROKER, broker, LOGIN, party, terminalOf, useStandIn } from '../../test/sign-in.ts';
import type { Terminal } from '../command.ts';
import { TenantBrowser } from '../identity-provider/relying-party.ts';
import { run } from '../run.ts';

useStandIn();

describe('by a device code', () => {
  /** An issuer that may be asked more often than each five seconds. */
  const impatient: Terminal['fetch'] = async (input, init) => {
    const request = new Request(input, init);
    if (request.url.startsWith(`${BROKER}/`)) return broker(request);
    const answer = await fetch(request);
    if (!request.url.endsWith('/oauth/device/code')) return answer;
    return Response.json({ ...Object(await answer.json()), interval: 0.05 });
  };

  /** What a person does on another device: opens the page, types the code, signs in and decides. */
  async function confirm(text: string, decision: Record<string, string>): Promise<void> {
    const [, url = '', code = ''] = /open (\S+) and type the code (\S+),/.exec(text) ?? [];
    const browser = new TenantBrowser(party.provider);
    const typed = await (await browser.request(url)).text();
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(typed)?.[1] ?? '';
    const asks = await (await browser.request(url, { xsrf, user_code: code })).text();
    expect(asks).toContain(code);
    const next = await browser.request(url, { xsrf, user_code: code, ...decision });
    const location = next.headers.get('location');
    if (location === null) return;
    const page = await browser.follow(new URL(location, url));
    await browser.follow(page.url, { account: 'auth0|alice' });
  }

  const terminalThat = (decision: Record<string, string>) =>
    terminalOf(
      async () => expect.fail('a browser was opened'),
      { fetch: impatient },
      (text) => {
        if (text.includes('type the code')) void confirm(text, decision);
      },
    );

  it('a person signs in, on any other device', async () => {
    const at = terminalThat({ confirm: 'yes' });
    expect(await run([...LOGIN(), '--device'], at.terminal)).toBe(0);
    expect(at.said.out).toBe('Signed in as test:auth0|alice.\n');
  });

  it('a person may cancel', async () => {
    const at = terminalThat({ abort: 'yes' });
    expect(await run([...LOGIN(), '--device'], at.terminal)).toBe(2);
    expect(at.said.err).toContain('access_denied');
  });

  it('an issuer without the device flow is refused', async () => {
    const at = terminalOf(asAlice, {
      fetch: async (input, init) => {
        const answer = await fetch(new Request(input, init));
        const { device_authorization_endpoint: _, ...rest } = Object(await answer.json());
        return Response.json(rest);
      },
    });
    expect(await run([...LOGIN(), '--device'], at.terminal)).toBe(2);
    expect(at.said.err).toContain('does not support the device flow');
  });
});
