/** Bindings that only tests have. */
declare namespace Cloudflare {
  interface Env {
    TEST_CORPUS: readonly string[] | null;
    METRICS: AnalyticsEngineDataset;
    TEST_MIGRATIONS: import('cloudflare:test').D1Migration[];
    WITNESS: DurableObjectNamespace<import('./agents/witness.ts').Witness>;
    HOOKED: DurableObjectNamespace<import('./agents/hooked.ts').Hooked>;
    FAULTY: DurableObjectNamespace<import('./agents/faulty.ts').Faulty>;
    OVERRIDER: DurableObjectNamespace<import('./agents/overrider.ts').Overrider>;
    INNER: DurableObjectNamespace<import('./agents/overrider.ts').Inner>;
    USURPER: DurableObjectNamespace<import('./agents/usurper.ts').Usurper>;
    CHATTER: DurableObjectNamespace<import('./agents/chatter.ts').Chatter>;
    CHAT_OVERRIDER: DurableObjectNamespace<import('./agents/chatter.ts').ChatOverrider>;
    TOOLBOX: DurableObjectNamespace<import('./agents/toolbox.ts').Toolbox>;
    PLANLESS: DurableObjectNamespace<import('./agents/usurper.ts').Planless>;
  }
}
