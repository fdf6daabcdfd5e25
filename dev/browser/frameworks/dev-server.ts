import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { TicketProviderOptions } from '@agent-ticket/client';
import { svelte } from '@sveltejs/vite-plugin-svelte';
import react from '@vitejs/plugin-react';
import vue from '@vitejs/plugin-vue';
import { createServer as createVite } from 'vite';
import * as z from 'zod';
import { ROOT } from '../../quiet-environment.ts';

/** What an app's module for its server exports. */
const ServerModule = z.looseObject({
  render: z.custom<(options: TicketProviderOptions) => Promise<string>>(
    (value) => typeof value === 'function',
  ),
});

/** Each framework: the component of its app, and the extension of the modules for page and server. */
const APPS = {
  react: { component: 'counter.tsx', extension: 'tsx', plugin: react },
  vue: { component: 'counter-page.vue', extension: 'ts', plugin: vue },
  svelte: { component: 'counter.svelte', extension: 'ts', plugin: () => svelte({ configFile: false }) },
} as const;
export type Framework = keyof typeof APPS;

/** Vite's development server with a copy of a framework's app: rendered here, and loaded anew when edited. */
export async function startDevServer(framework: Framework) {
  const { component, extension, plugin } = APPS[framework];
  await mkdir(`${ROOT}.dev`, { recursive: true });
  const root = await mkdtemp(`${ROOT}.dev/framework-`);
  await cp(new URL(`apps/${framework}`, import.meta.url), root, { recursive: true });
  const options = new Map<string, TicketProviderOptions>();
  const server = createServer((request, response) => vite.middlewares(request, response));
  const vite = await createVite({
    root,
    cacheDir: `${root}/cache`,
    configFile: false,
    logLevel: 'warn',
    appType: 'custom',
    plugins: [plugin()],
    resolve: { dedupe: [framework, 'react-dom'] },
    // A dependency that Vite finds during a load would load the page a second time.
    optimizeDeps: { entries: [`client.${extension}`] },
    server: { middlewareMode: true, hmr: { server }, fs: { allow: [ROOT] } },
  });

  async function answer({ url = '/' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const own = options.get(new URL(url, 'http://localhost').searchParams.get('options') ?? '');
    response.setHeader('content-type', 'text/html');
    if (own === undefined) {
      // Where a sign-in ends.
      response.end('<!doctype html><link rel="icon" href="data:,">');
      return;
    }
    const { render } = ServerModule.parse(await vite.ssrLoadModule(`/server.${extension}`));
    response.end(
      await vite.transformIndexHtml(
        url,
        `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Counter</title><link rel="icon" href="data:,">
<script>window.options = ${JSON.stringify(own)}</script></head>
<body><div id="root">${await render(own)}</div><script type="module" src="/client.${extension}"></script></body>
</html>`,
      ),
    );
  }
  vite.middlewares.use(
    (request: IncomingMessage, response: ServerResponse, next: (error: unknown) => void) => {
      answer(request, response).catch(next);
    },
  );
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  const url = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  return {
    url,
    /** The address of the app with a provider of these options. */
    pageWith(own: TicketProviderOptions): string {
      const name = crypto.randomUUID();
      options.set(name, own);
      return `${url}/?options=${name}`;
    },
    /** Changes the source of the component, as a developer does. */
    async edit(from: string, to: string): Promise<void> {
      const path = `${root}/${component}`;
      await writeFile(path, (await readFile(path, 'utf8')).replace(from, to));
    },
    async close(): Promise<void> {
      await vite.close();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(root, { recursive: true });
    },
  };
}
export type DevServer = Awaited<ReturnType<typeof startDevServer>>;
