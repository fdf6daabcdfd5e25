import { readdir, readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { type LoopbackServer, listenOnLoopback } from 'agent-ticket/src/identity-provider/http.ts';
import { build, type Plugin } from 'esbuild';
import { compile } from 'svelte/compiler';

const FOLDER = fileURLToPath(new URL('pages/', import.meta.url));
const ENTRY = /^[\w-]+\.page\.tsx?$/;

/** The policy of an app that runs only its own script. */
const POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src http: ws:";

export interface Pages extends LoopbackServer {
  /** The same pages by the two names of this machine, which browsers take for two sites. */
  readonly origins: readonly string[];
}

/** Bundles each `pages/<name>.page.tsx` or `.ts` as an app would, and serves it at `/<name>`. */
export async function servePages(): Promise<Pages> {
  const scripts = await bundle();
  const server = await listenOnLoopback(0, (request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const script = scripts.get(path);
    const page = scripts.has(`${path}.js`) ? html(`${path}.js`) : undefined;
    response.setHeader('content-security-policy', POLICY);
    response.setHeader('content-type', script ? 'text/javascript' : 'text/html; charset=utf-8');
    response.statusCode = (script ?? page) === undefined && path !== '/favicon.ico' ? 404 : 200;
    response.end(script ?? page ?? '');
  });
  return { ...server, origins: [server.url, server.url.replace('127.0.0.1', 'localhost')] };
}

const html = (script: string): string => `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Test page</title></head>
<body><div id="root"></div><script type="module" src="${script}"></script></body>
</html>`;

/** Components of Svelte, compiled for a browser. */
const SVELTE: Plugin = {
  name: 'svelte',
  setup({ onLoad }) {
    onLoad({ filter: /\.svelte$/ }, async ({ path }) => {
      const source = await readFile(path, 'utf8');
      return { contents: compile(source, { filename: path, generate: 'client' }).js.code };
    });
  },
};

/** Path → script. */
async function bundle(): Promise<ReadonlyMap<string, string>> {
  const entryPoints = (await readdir(FOLDER)).filter((file) => ENTRY.test(file)).map((file) => FOLDER + file);
  const { outputFiles } = await build({
    entryPoints,
    bundle: true,
    write: false,
    outdir: '/',
    format: 'esm',
    target: 'es2022',
    jsx: 'automatic',
    // A development build, in which StrictMode renders twice.
    define: { 'process.env.NODE_ENV': '"development"' },
    plugins: [SVELTE],
    logLevel: 'warning',
  });
  return new Map(outputFiles.map(({ path, text }) => [path.replace('.page.js', '.js'), text]));
}
