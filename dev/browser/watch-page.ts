import type { Page } from 'playwright-core';

const LOOPBACK = new Set(['127.0.0.1', 'localhost']);
/** What asks nobody. */
const LOCAL = new Set(['data:', 'blob:', 'about:']);

/**
 * Writes down what a page should not do, while it does it: ask another machine, or show an error that none of the
 * patterns expects. Answers the growing list.
 */
export function watchPage(page: Page, expects: readonly RegExp[]): readonly string[] {
  const faults: string[] = [];
  const told = (what: string): void => {
    if (!expects.some((pattern) => pattern.test(what))) faults.push(what);
  };
  const asked = (url: string): void => {
    const { protocol, hostname } = new URL(url);
    if (!LOOPBACK.has(hostname) && !LOCAL.has(protocol)) faults.push(`asked ${url}`);
  };
  page.on('console', (message) => {
    if (message.type() === 'error') told(`console: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => told(`not caught: ${error.name}: ${error.message} ${error.stack ?? ''}`));
  page.on('request', (request) => asked(request.url()));
  page.on('websocket', (socket) => asked(socket.url()));
  return faults;
}
