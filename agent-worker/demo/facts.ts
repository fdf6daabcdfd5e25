/** `/demo.json`: what the demo page is told, and every stranger with it. */
export interface DemoFacts {
  /** Base address of the broker; `<broker>/tickets` mints. */
  readonly broker: string;
  /** Enabled agents that everybody may know of. */
  readonly agents: readonly DemoAgent[];
}

export interface DemoAgent {
  readonly slug: string;
  readonly displayName: string;
  readonly description: string;
  /** `public`: a ticket needs no credential. */
  readonly access: 'public' | 'viewer' | 'first-user';
  /** The only instances there are; empty: any name. */
  readonly instances: readonly string[];
}
