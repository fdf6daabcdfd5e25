import { text } from 'node:stream/consumers';
import { createTicketProvider } from '@agent-ticket/client';
import type { ReactElement } from 'react';
import { renderToString } from 'react-dom/server';
import { prerenderToNodeStream } from 'react-dom/static';
import { expect, inject, it, onTestFinished, vi } from 'vitest';
import { openApp } from './app-tab.ts';
import { Hooks } from './pages/hooks.tsx';

const atOnce = async (view: ReactElement): Promise<string> => renderToString(view);
const whenReady = async (view: ReactElement): Promise<string> =>
  text((await prerenderToNodeStream(view)).prelude);

/** React's error for a page whose server did not await a suspended component. */
const SWITCHED = /renderToString/;

it.each([
  ['subprotocol', 'at once', atOnce, 'connecting', []],
  ['subprotocol', 'when it is ready', whenReady, 'connecting', []],
  ['query', 'at once', atOnce, 'waiting', [SWITCHED]],
  ['query', 'when it is ready', whenReady, 'connecting', []],
] as const)(
  'by %s a page that a server rendered %s requests nothing there, and connects after hydration',
  async (delivery, when, render, line, expects) => {
    const instance = `rendered-${delivery}-${when.replaceAll(' ', '-')}`;
    const fetched = vi.spyOn(globalThis, 'fetch');
    const opened = vi.spyOn(globalThis, 'WebSocket');
    onTestFinished(() => {
      vi.restoreAllMocks();
    });
    const ticket = createTicketProvider({
      broker: inject('stack').broker,
      host: inject('stack').agentWorker,
      agent: 'counter',
      instance,
      delivery,
      credential: { kind: 'session' },
    });
    const hook = { name: 'one', ticket, options: () => ticket.agentOptions() };
    const html = await render(<Hooks hooks={[hook]} />);
    expect(html).toContain(line);
    expect(await ticket.headers()).toEqual({});
    expect([fetched.mock.calls, opened.mock.calls]).toEqual([[], []]);
    vi.restoreAllMocks();

    const tab = await openApp({ expects });
    await tab.provide({ name: 'one', instance, delivery });
    await tab.page.evaluate((html) => window.app.hydrate(html, [window.app.hook('one')]), html);
    await tab.until('one', 'open');
    expect([tab.broker.mints.length, tab.agents.upgrades.length]).toEqual([1, 1]);
  },
);
