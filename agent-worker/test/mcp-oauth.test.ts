import { evictDurableObject, runInDurableObject } from 'cloudflare:test';
import { beforeEach, describe, expect, test, vi } from 'vitest';
import { AGENTS_URL, front, hooked, newSecond, reasons } from './callbacks.ts';
import { MCP_URL, openProvider } from './mcp-provider.ts';
import { Socket } from './sockets.ts';
import { makeTicket, newInstance, ORIGIN } from './tickets.ts';
import { printed } from './watch.ts';

/** An agent that adds an MCP server with OAuth, and the browser that comes back to it. */

let now: number;
beforeEach(() => {
  now = newSecond();
});

/** As Chromium sends it: an upgrade has no `Sec-Fetch-Site`. */
const PAGE = { origin: 'https://app.agents.test' };
const COOKIE = '__Host-agent-ticket-browser';

/** A browser with a socket to an instance, and its cookie. */
async function open(
  instance: string,
  headers: Record<string, string> = PAGE,
  agent = 'hooked',
  scope = 'agent:connect agent:rpc:*',
) {
  const ticket = await makeTicket({ agent, instance, scope });
  const answer = await front(
    new Request(`${AGENTS_URL}/agents/${agent}/${instance}?ticket=${ticket}`, {
      headers: { upgrade: 'websocket', ...headers },
    }),
  );
  const set = answer.headers.get('set-cookie');
  return { set, cookie: set?.split(';')[0] ?? headers.cookie ?? '', socket: new Socket(answer) };
}

interface Added {
  readonly state: string;
  readonly authUrl: string;
}
const isAdded = (result: unknown): result is Added =>
  typeof result === 'object' && result !== null && 'authUrl' in result;
async function add(socket: Socket): Promise<Added> {
  const { result, error } = await socket.call('addServer', MCP_URL);
  if (!isAdded(result)) throw new Error(String(error));
  return result;
}

/** A flow that a browser has begun: where the provider sends it back. */
async function begun() {
  const provider = openProvider();
  const instance = newInstance();
  const browser = await open(instance);
  const { authUrl, state } = await add(browser.socket);
  expect(state).toBe('authenticating');
  return { provider, instance, ...browser, authUrl, back: provider.authorize(authUrl) };
}
const visit = (url: URL | string, cookie: string, init: RequestInit = {}) =>
  front(new Request(url, { ...init, headers: { ...(cookie === '' ? {} : { cookie }), ...init.headers } }));
const statesOf = (instance: string) => runInDurableObject(hooked(instance), (agent) => agent.serverStates());

describe('the cookie of a browser', () => {
  test('is set at an upgrade of the same site, for this host alone', async () => {
    const { set } = await open(newInstance());
    expect(set).toMatch(
      /^__Host-agent-ticket-browser=[A-Za-z0-9_-]{43}; Path=\/; Secure; HttpOnly; SameSite=Lax$/,
    );
  });

  test('is set where the browser says that it is of the same site', async () => {
    expect((await open(newInstance(), { origin: ORIGIN, 'sec-fetch-site': 'same-site' })).set).toContain(
      COOKIE,
    );
  });

  test.for<readonly [string, Record<string, string>, string]>([
    ['of a browser that says it is across sites', { ...PAGE, 'sec-fetch-site': 'cross-site' }, 'hooked'],
    ['of a page of another site', { origin: ORIGIN }, 'hooked'],
    ['of a page without TLS', { origin: 'http://app.agents.test' }, 'hooked'],
    ['of no browser', {}, 'hooked'],
    ['of a browser that has it', { ...PAGE, cookie: `a=b; ${COOKIE}=${'A'.repeat(43)}` }, 'hooked'],
    ['of an agent that adds no such servers', PAGE, 'witness'],
  ])('is not set at an upgrade %s', async ([, headers, agent]) => {
    expect((await open(newInstance(), headers, agent)).set).toBeNull();
  });
});

describe('a flow', () => {
  test('ends in a connected server, by a redirect without a query that was registered', async () => {
    const { provider, instance, cookie, authUrl, back } = await begun();
    expect(provider.seen.registered).toEqual([`${AGENTS_URL}/agents/hooked/${instance}/oauth`]);
    expect(new URL(authUrl).searchParams.get('state')).toMatch(/^[\w-]{30}~\d{10}~[\w-]{43}\.[\w-]+$/);
    const answer = await visit(back, cookie);
    expect([answer.status, answer.headers.get('location')]).toEqual([302, `${AGENTS_URL}/`]);
    expect(answer.headers.get('referrer-policy')).toBe('no-referrer');
    await expect.poll(() => statesOf(instance)).toEqual(['ready']);
    expect(printed.join('\n')).not.toContain(back.searchParams.get('code'));
    expect(printed.join('\n')).not.toContain(back.searchParams.get('state'));
  });

  test('goes on after the object has slept', async () => {
    const { instance, socket, cookie, back } = await begun();
    socket.close();
    await socket.closed();
    await evictDurableObject(hooked(instance));
    expect((await visit(back, cookie)).status).toBe(302);
    await expect.poll(() => statesOf(instance)).toEqual(['ready']);
  });

  test('redeems its code once', async () => {
    const { provider, cookie, back, instance } = await begun();
    await visit(back, cookie);
    await expect.poll(() => statesOf(instance)).toEqual(['ready']);
    await visit(back, cookie);
    expect(provider.seen.redeemed).toBe(1);
  });

  test.for<readonly [string, number, string, (flow: Awaited<ReturnType<typeof begun>>) => Promise<Response>]>(
    [
      ['no cookie', 401, 'callback_token_invalid', ({ back }) => visit(back, '')],
      [
        "another browser's cookie",
        401,
        'callback_token_invalid',
        ({ back }) => visit(back, `${COOKIE}=${'A'.repeat(43)}`),
      ],
      ['an empty cookie', 401, 'callback_token_invalid', ({ back }) => visit(back, `${COOKIE}=`)],
      [
        'its cookie twice',
        401,
        'callback_token_invalid',
        ({ back, cookie }) => visit(back, `${cookie}; ${cookie}`),
      ],
      [
        'its cookie under another name',
        401,
        'callback_token_invalid',
        ({ back, cookie }) => visit(back, cookie.replace('__Host-', '')),
      ],
      [
        'its cookie behind a space of Unicode, as a sibling host may set it',
        401,
        'callback_token_invalid',
        ({ back, cookie }) => visit(back, `\u2000${cookie}`),
      ],
      [
        "a stranger's flow, which the stranger would have this person finish",
        401,
        'callback_token_invalid',
        async ({ instance, provider, cookie }) => {
          const stranger = await open(instance);
          const { authUrl } = await add(stranger.socket);
          return visit(provider.authorize(authUrl), cookie);
        },
      ],
      [
        'the state of another instance',
        401,
        'callback_token_invalid',
        async ({ back, cookie }) => {
          const other = await begun();
          back.searchParams.set('state', other.back.searchParams.get('state') ?? '');
          return visit(back, cookie);
        },
      ],
      [
        'its state at another instance',
        401,
        'callback_token_invalid',
        async ({ back, cookie, instance }) => {
          const other = await begun();
          return visit(`${back}`.replace(instance, other.instance), cookie);
        },
      ],
      [
        'another server in its state',
        401,
        'callback_token_invalid',
        ({ back, cookie }) => {
          back.searchParams.set('state', `${back.searchParams.get('state')?.split('.')[0]}.other`);
          return visit(back, cookie);
        },
      ],
      [
        'a later expiry in its state',
        401,
        'callback_token_invalid',
        ({ back, cookie }) => {
          const state = back.searchParams.get('state') ?? '';
          back.searchParams.set(
            'state',
            state.replace(/~(\d+)~/, (_, exp) => `~${Number(exp) + 1}~`),
          );
          return visit(back, cookie);
        },
      ],
      [
        'two states',
        401,
        'callback_token_invalid',
        ({ back, cookie }) => visit(`${back}&state=${back.searchParams.get('state')}`, cookie),
      ],
      [
        'an SDK state',
        401,
        'callback_token_invalid',
        ({ back, cookie }) => {
          back.searchParams.set('state', 'V1StGXR8_Z5jdHi6B-myT.server');
          return visit(back, cookie);
        },
      ],
      [
        'no state',
        401,
        'ticket_missing',
        ({ back, cookie }) => {
          back.searchParams.delete('state');
          return visit(back, cookie);
        },
      ],
      [
        'a ticket beside',
        400,
        'callback_ambiguous',
        async ({ back, cookie, instance }) => {
          const ticket = await makeTicket({ agent: 'hooked', instance });
          return visit(back, cookie, { headers: { authorization: `Bearer ${ticket}` } });
        },
      ],
      [
        'another method',
        405,
        'method_not_allowed',
        ({ back, cookie }) => visit(back, cookie, { method: 'POST' }),
      ],
      [
        'ten minutes',
        401,
        'callback_token_expired',
        ({ back, cookie }) => {
          vi.setSystemTime((now + 600) * 1000);
          return visit(back, cookie);
        },
      ],
    ],
  )('with %s is refused: %d %s', async ([, status, reason, attack]) => {
    const flow = await begun();
    const answer = await attack(flow);
    expect([answer.status, reasons()]).toEqual([status, [reason]]);
    expect(await statesOf(flow.instance)).toEqual(['authenticating']);
    expect(flow.provider.seen.redeemed).toBe(0);
  });

  test('is shown to the browser in which it began, and to nobody else who reads the state', async () => {
    const watch = async (instance: string, headers: Record<string, string>) =>
      (await open(instance, headers, 'hooked', 'agent:connect agent:state:read')).socket;
    const { instance, cookie, socket, authUrl } = await begun();
    const [same, other] = [
      await watch(instance, { ...PAGE, cookie }),
      await watch(instance, { ...PAGE, cookie: `${COOKIE}=${'A'.repeat(43)}` }),
    ];
    const texts = (frames: readonly unknown[]) => frames.map((frame) => JSON.stringify(frame));
    const shown = expect.stringContaining(JSON.stringify(authUrl));
    await expect.poll(() => texts(same.frames)).toContainEqual(shown);
    await runInDurableObject(hooked(instance), (agent) =>
      // As the SDK does at each change.
      agent.broadcast(JSON.stringify({ mcp: agent.getMcpServers(), type: 'cf_agent_mcp_servers' })),
    );
    await expect.poll(() => texts(same.frames).filter((text) => text.includes('auth_url')).length).toBe(2);
    await expect.poll(() => texts(other.frames).filter((text) => text.includes('auth_url')).length).toBe(2);
    expect(texts(same.frames).at(-1)).toEqual(shown);
    expect(texts(other.frames).join()).not.toContain('state=');

    socket.close();
    await socket.closed();
    await evictDurableObject(hooked(instance));
    const { frames } = await watch(instance, { ...PAGE, cookie });
    await expect.poll(() => texts(frames)).toContainEqual(shown);
  });

  test('that no browser began is begun anew by one', async () => {
    const provider = openProvider();
    const instance = newInstance();
    const program = await open(instance, {});
    const first = await add(program.socket);
    const browser = await open(instance);
    expect((await visit(provider.authorize(first.authUrl), browser.cookie)).status).toBe(401);
    const second = await add(browser.socket);
    expect((await visit(provider.authorize(second.authUrl), browser.cookie)).status).toBe(302);
    await expect.poll(() => statesOf(instance)).toEqual(['ready']);
  });

  test('of a provider without such states is refused by its name', async () => {
    const instance = newInstance();
    await runInDurableObject(hooked(instance), async (agent) => {
      agent.customProvider = true;
      expect(() => agent.createMcpOAuthProvider(`${AGENTS_URL}/x`)).toThrow(
        /createMcpOAuthProvider: the provider must extend DurableObjectOAuthClientProvider/,
      );
    });
  });
});
