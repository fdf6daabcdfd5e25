/** `/demo.json`: what the demo page is told, and every stranger with it. */
export interface DemoFacts {
  /** Base address of the broker; `<broker>/tickets` mints. */
  readonly broker: string;
  /** Where people sign in and out by Access, where that is not the broker's own address. */
  readonly accessUrl?: string;
  /** Path of the page of the chat agent, where there is one. */
  readonly chat?: string;
  /** Enabled agents with sockets that everybody may know of. */
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
