import { chromium } from 'playwright-core';
import type { TestProject } from 'vitest/node';
import { provideStack } from '../e2e/test-stack.ts';
import { findChromium } from './find-chromium.ts';
import { servePages } from './serve-pages.ts';

declare module 'vitest' {
  export interface ProvidedContext {
    /** Where the pages of `pages/` are: neither the broker's origin nor the agent worker's. */
    readonly pages: string;
    /** Where tests reach the one Chromium. */
    readonly chromium: string;
  }
}

/**
 * Names do not resolve, so that a page which calls another host fails. Not done by intercepting requests: then the
 * preflights of CORS would be answered by the test tool, and not by broker and gate.
 */
const NOWHERE = '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost';

/**
 * Chromium otherwise starts a process for the next page with each page, a fifth of the work of opening one. Pages of two
 * browser contexts or two sites never share a process.
 */
const NO_SPARE_PROCESS = '--renderer-process-limit=1';

/** One stack, one server of pages and one Chromium for all files. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const executablePath = findChromium(process.env);
  const pages = await servePages();
  const endStack = await provideStack(project, pages.origins);
  const browser = await chromium.launchServer({
    executablePath,
    args: ['--no-sandbox', NOWHERE, NO_SPARE_PROCESS],
  });
  project.provide('pages', pages.url);
  project.provide('chromium', browser.wsEndpoint());
  return async () => {
    await browser.close();
    await endStack();
    await pages.close();
  };
}
