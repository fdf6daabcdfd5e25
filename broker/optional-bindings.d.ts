/** Bound where an operator wants it; see docs/operate/audit.md and docs/operate/security-events.md. `wrangler types` cannot know a binding that may be left out. */
declare namespace Cloudflare {
  interface Env {
    SECURITY_EVENTS?: AnalyticsEngineDataset;
    AUDIT_ANCHOR?: R2Bucket;
    AUDIT_ARCHIVE?: R2Bucket;
  }
}
