declare namespace Cloudflare {
  interface Env {
    CONTROL: D1Database;
    RECORD: D1Database;
    TOGETHER: D1Database;
    DESTINATION: DurableObjectNamespace<import('./worker.ts').Destination>;
    CONTROL_MIGRATIONS: import('cloudflare:test').D1Migration[];
    RECORD_MIGRATIONS: import('cloudflare:test').D1Migration[];
  }
}

declare module '*?raw' {
  const text: string;
  export default text;
}
