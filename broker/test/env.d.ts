/** Bindings that only tests have. */
declare namespace Cloudflare {
  interface Env {
    TEST_CONTROL_MIGRATIONS: import('cloudflare:test').D1Migration[];
    TEST_RECORD_MIGRATIONS: import('cloudflare:test').D1Migration[];
    TEST_VECTORS: import('./vectors.ts').Vectors | null;
  }
}

/** The worker's entry once more, as another isolate would load it: started by nobody yet. */
declare module '*/index.ts?second' {
  const worker: typeof import('../src/index.ts')['default'];
  export default worker;
}
