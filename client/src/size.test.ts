import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { expect, test } from 'vitest';

/** What a page pays for the client. The bundler is deterministic, so the number is, too. */
async function bundle(source: string): Promise<{ readonly inputs: string[]; readonly gzipped: number }> {
  const resolveDir = fileURLToPath(new URL('.', import.meta.url));
  const { outputFiles, metafile } = await build({
    stdin: { contents: source, resolveDir, loader: 'ts' },
    bundle: true,
    minify: true,
    format: 'esm',
    target: 'es2022',
    write: false,
    metafile: true,
  });
  const [output] = Object.values(metafile.outputs);
  const inputs = Object.entries(output?.inputs ?? {}).filter(([, { bytesInOutput }]) => bytesInOutput > 0);
  return {
    inputs: inputs.map(([path]) => path),
    gzipped: gzipSync(outputFiles[0]?.contents ?? '', { level: 9 }).length,
  };
}

test('all of it is less than 4 KiB, and nothing but itself', async () => {
  const { inputs, gzipped } = await bundle(`export * from './provider.ts'`);
  expect(gzipped).toBeLessThan(4096);
  expect(inputs.filter((path) => /node_modules|\/src\/(?!handshake\.ts$)/.test(path))).toEqual([]);
});

test('who takes only the errors pays only for them', async () => {
  const { gzipped } = await bundle(`export { SignInRequired, Forbidden } from './provider.ts'`);
  expect(gzipped).toBeLessThan(300);
});
