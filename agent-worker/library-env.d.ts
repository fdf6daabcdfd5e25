/** What the library takes for granted in the env of the worker that it is installed into. */
declare namespace Cloudflare {
  interface Env {
    RECORD: D1Database;
    RECORDER: DurableObjectNamespace<import('./src/recorder.ts').RecorderObject>;
  }
}
