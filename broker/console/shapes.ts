/** Answers of the API, as `/openapi.json` describes them. */

export interface Page<Row> {
  readonly items: readonly Row[];
  readonly next_cursor: string | null;
}

export interface Receipt {
  readonly closed: number;
  readonly objects: number;
  readonly unreachable: number;
  readonly pending: number;
  readonly ms: number;
}

export interface Session {
  readonly id: string;
  readonly principal: string;
  readonly principal_label: string | null;
  readonly agent: string;
  readonly instance: string;
  readonly role: string;
  readonly scope: string;
  readonly started_at: string;
  readonly ended_at: string | null;
  readonly end_reason: string | null;
  readonly ip_address: string | null;
  readonly user_agent: string | null;
  readonly jti: string;
  readonly kid: string;
}

export interface Call {
  readonly id: string;
  readonly method: string;
  readonly started_at: string;
  readonly duration_ms: number;
  readonly outcome: 'success' | 'error' | 'unanswered';
  readonly code: string | null;
}

export interface SessionWithCalls extends Session {
  readonly invocations: Page<Call>;
}

export interface AuditEvent {
  readonly seq: number;
  readonly event_id: string;
  readonly at: string;
  readonly type: string;
  readonly outcome: 'success' | 'denied';
  readonly code: string | null;
  readonly principal: string | null;
  readonly agent: string | null;
  readonly instance: string | null;
  readonly jti: string | null;
  readonly session_id: string | null;
  readonly kid: string | null;
  readonly ip_address: string | null;
  readonly user_agent: string | null;
  readonly request_id: string | null;
  readonly policy_version: string | null;
  readonly details: Readonly<Record<string, string | number | boolean>> | null;
}

export interface Checkpoint {
  readonly n: number;
  readonly at: string;
  readonly through: number;
  readonly count: number;
  readonly hash: string;
  readonly kid: string;
  readonly jws: string;
}

export interface Principal {
  readonly id: string;
  readonly label: string;
  readonly last_seen_at: string | null;
  readonly live_sessions: number;
  readonly grants: number;
  readonly locks: number;
}

export interface Grant {
  readonly id: string;
  readonly subject: string;
  readonly agent: string;
  readonly instance: string;
  readonly role: string;
  readonly reason: string;
  readonly created_by: string;
  readonly created_at: string;
  readonly expires_at: string | null;
}

export type Target = { readonly kind: string } & Readonly<Record<string, unknown>>;

export interface Lock {
  readonly id: string;
  readonly target: Target;
  readonly reason: string;
  readonly created_by: string;
  readonly created_at: string;
  readonly expires_at: string | null;
}

export interface ServiceToken {
  readonly id: string;
  readonly client_id: string;
  readonly name: string;
  readonly agents: readonly string[] | null;
  readonly permissions: readonly string[];
  readonly tier: string;
  readonly created_at: string;
  readonly expires_at: string | null;
  readonly last_used_at: string | null;
}

export interface Key {
  readonly kid: string;
  readonly alg: string;
  readonly state: 'pending' | 'active' | 'retiring' | 'retired' | 'revoked';
  readonly created_at: string;
  readonly activates_at: string;
  readonly retires_at: string | null;
  readonly removed_at: string | null;
  readonly revoked_at: string | null;
}

export interface StatsPoint {
  readonly at: string;
  readonly tickets: { readonly issued: number; readonly denied: number };
  readonly refusals: readonly {
    readonly code: string | null;
    readonly agent: string | null;
    readonly count: number;
  }[];
  readonly sessions: { readonly opened: number; readonly closed: number; readonly live: number };
}

export interface Stats {
  readonly step: string;
  readonly from: string;
  readonly to: string;
  readonly items: readonly StatsPoint[];
}

export interface Readiness {
  readonly mint: boolean;
  readonly verify: boolean;
  readonly record: boolean;
  readonly events_waiting?: number;
  readonly agent_events_waiting?: number | null;
  readonly agent_objects_waiting?: number | null;
  readonly waiting_age?: number | null;
  readonly changes_waiting?: number;
  readonly checkpoint_age?: number | null;
  readonly workers_differing?: number;
  readonly workers_unanswered?: number;
  readonly agents_in_rollout: number;
  readonly key_sets_unusable: readonly string[];
}

export interface Explanation {
  readonly principal: string;
  readonly allowed: boolean;
  readonly role: string | null;
  readonly scope: string | null;
  readonly session_expires_at: string | null;
  readonly would_claim: boolean;
  readonly would_deny: string | null;
  readonly rules: readonly { readonly rule: string; readonly holds: boolean }[];
  readonly grants: readonly Pick<Grant, 'id' | 'subject' | 'instance' | 'role' | 'expires_at'>[];
}

export interface Agent {
  readonly agent: string;
  readonly display_name: string;
}
