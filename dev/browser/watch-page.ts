import type { Page } from 'playwright-core';

const LOOPBACK = new Set(['127.0.0.1', 'localhost']);
/** Protocols without a request. */
const LOCAL = new Set(['data:', 'blob:', 'about:']);

/**
 * Records forbidden actions of a page: a request to another machine, or an error that none of the
 * patterns expects. Returns the growing list.
 */
export function watchPage(page: Page, expects: readonly RegExp[]): readonly string[] {
  const faults: string[] = [];
  const reportError = (what: string): void => {
    if (!expects.some((pattern) => pattern.test(what))) faults.push(what);
  };
  const checkUrl = (url: string): void => {
    const { protocol, hostname } = new URL(url);
    if (!LOOPBACK.has(hostname) && !LOCAL.has(protocol)) faults.push(`requested ${url}`);
  };
  page.on('console', (message) => {
    if (message.type() === 'error') reportError(`console: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) =>
    reportError(`not caught: ${error.name}: ${error.message} ${error.stack ?? ''}`),
  );
  page.on('request', (request) => checkUrl(request.url()));
  page.on('websocket', (socket) => checkUrl(socket.url()));
  return faults;
}
