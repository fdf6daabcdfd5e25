import type { Terminal } from '../command.ts';
import type { Cloudflare, Version } from './cloudflare.ts';
import type { Side } from './configuration.ts';
import type { Facts, Sources } from './facts.ts';

/** A step of a plan. */
export interface Step {
  readonly name: string;
  /** `keep` does nothing, and `check` changes nothing. */
  readonly action: 'keep' | 'make' | 'change' | 'check';
  /** What there is, or will be. */
  readonly text: string;
  /** Answers what it did, where that says more than the text. */
  readonly run: () => Promise<string | undefined>;
}

/** What steps need of each other. */
export interface Run {
  readonly facts: Facts;
  readonly sources: Sources;
  readonly cloudflare: Cloudflare;
  readonly terminal: Terminal;
  /** The version before a worker was deployed in this run, where there was one. */
  readonly before: Map<Side, Version | undefined>;
}
