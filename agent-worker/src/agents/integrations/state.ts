/** One webhook that came, as the page shows it. */
export interface Delivery {
  readonly id: string;
  /** In ms since 1970. */
  readonly at: number;
  /** Its media type. */
  readonly type: string;
  /** The beginning of its body, which anybody who has the URL has written. */
  readonly text: string;
}

export interface IntegrationsState {
  /** Newest first. */
  readonly deliveries: readonly Delivery[];
}
