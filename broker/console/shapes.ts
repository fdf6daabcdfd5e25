import type { NotReady, StatsRow } from '../src/openapi/generated-types.ts';

/** Answers of the API by the names of the OpenAPI document, and the shapes that have no name there. */
export type {
  AuditEvent,
  Caller,
  Checkpoint,
  Explanation,
  Grant,
  Invocation,
  LabelledPrincipal,
  LabelledSession,
  Lock,
  Receipt,
  RotatedToken,
  ServiceToken,
  SigningKey,
  Webhook,
} from '../src/openapi/generated-types.ts';

export interface Page<Row> {
  readonly items: readonly Row[];
  readonly next_cursor: string | null;
}

export type Readiness = Omit<NotReady, 'error'>;
export type StatsPoint = StatsRow;
