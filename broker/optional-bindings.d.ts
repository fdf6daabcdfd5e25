/** Bound where an operator wants it; see docs/operations.md. `wrangler types` cannot know a binding that may be left out. */
declare namespace Cloudflare {
  interface Env {
    SECURITY_EVENTS?: AnalyticsEngineDataset;
    AUDIT_ANCHOR?: R2Bucket;
  }
}
