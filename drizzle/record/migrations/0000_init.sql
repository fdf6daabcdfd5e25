CREATE TABLE `agent_invocations` (
	`id` text PRIMARY KEY NOT NULL,
	`session_id` text NOT NULL,
	`method` text NOT NULL,
	`started_at` integer NOT NULL,
	`duration_ms` integer NOT NULL,
	`outcome` text NOT NULL,
	`code` text
);
--> statement-breakpoint
CREATE INDEX `agent_invocations_session` ON `agent_invocations` (`session_id`,`started_at`,`id`);--> statement-breakpoint
CREATE INDEX `agent_invocations_started` ON `agent_invocations` (`started_at`);--> statement-breakpoint
CREATE TABLE `agent_sessions` (
	`id` text PRIMARY KEY NOT NULL,
	`user_id` text NOT NULL,
	`agent_slug` text NOT NULL,
	`instance_id` text NOT NULL,
	`audience` text NOT NULL,
	`role` text NOT NULL,
	`scope` text NOT NULL,
	`started_at` integer NOT NULL,
	`ended_at` integer,
	`end_reason` text,
	`ip_address` text,
	`user_agent` text,
	`jti` text NOT NULL,
	`kid` text NOT NULL,
	`rev` integer NOT NULL,
	`grant_id` text,
	`login_id` text
);
--> statement-breakpoint
CREATE INDEX `agent_sessions_user` ON `agent_sessions` (`user_id`,`started_at`,`id`);--> statement-breakpoint
CREATE INDEX `agent_sessions_instance` ON `agent_sessions` (`agent_slug`,`instance_id`,`started_at`,`id`);--> statement-breakpoint
CREATE INDEX `agent_sessions_newest` ON `agent_sessions` (`started_at`,`id`);--> statement-breakpoint
CREATE INDEX `agent_sessions_active` ON `agent_sessions` (`started_at`,`id`,`audience`) WHERE ended_at IS NULL;--> statement-breakpoint
CREATE INDEX `agent_sessions_agent` ON `agent_sessions` (`agent_slug`,`started_at`,`id`);--> statement-breakpoint
CREATE INDEX `agent_sessions_address` ON `agent_sessions` (`ip_address`,`started_at`,`id`) WHERE ip_address IS NOT NULL;--> statement-breakpoint
CREATE INDEX `agent_sessions_ended` ON `agent_sessions` (`ended_at`) WHERE ended_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `agent_sessions_live` ON `agent_sessions` (`agent_slug`,`instance_id`,`started_at`,`id`) WHERE ended_at IS NULL;--> statement-breakpoint
CREATE INDEX `agent_sessions_user_live` ON `agent_sessions` (`user_id`,`started_at`,`id`) WHERE ended_at IS NULL;--> statement-breakpoint
CREATE INDEX `agent_sessions_grant` ON `agent_sessions` (`grant_id`) WHERE ended_at IS NULL AND grant_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX `agent_sessions_login` ON `agent_sessions` (`login_id`) WHERE ended_at IS NULL AND login_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX `agent_sessions_address_live` ON `agent_sessions` (`ip_address`) WHERE ended_at IS NULL AND ip_address IS NOT NULL;--> statement-breakpoint
CREATE INDEX `agent_sessions_ticket` ON `agent_sessions` (`jti`) WHERE ended_at IS NULL;--> statement-breakpoint
CREATE TABLE `audit_checkpoints` (
	`n` integer PRIMARY KEY NOT NULL,
	`at` integer NOT NULL,
	`through` integer NOT NULL,
	`count` integer NOT NULL,
	`hash` text NOT NULL,
	`kid` text NOT NULL,
	`jws` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `audit_checkpoints_at` ON `audit_checkpoints` (`at`);--> statement-breakpoint
CREATE INDEX `audit_checkpoints_through` ON `audit_checkpoints` (`through`);--> statement-breakpoint
CREATE TABLE `audit_events` (
	`seq` integer PRIMARY KEY NOT NULL,
	`event_id` text NOT NULL,
	`at` integer NOT NULL,
	`type` text NOT NULL,
	`outcome` text NOT NULL,
	`code` text,
	`user_id` text,
	`agent_slug` text,
	`instance_id` text,
	`jti` text,
	`session_id` text,
	`kid` text,
	`ip_address` text,
	`user_agent` text,
	`request_id` text,
	`policy_version` text,
	`details` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `audit_events_event_id_unique` ON `audit_events` (`event_id`);--> statement-breakpoint
CREATE INDEX `audit_events_at` ON `audit_events` (`at`);--> statement-breakpoint
CREATE INDEX `audit_events_user` ON `audit_events` (`user_id`,`at`);--> statement-breakpoint
CREATE INDEX `audit_events_agent` ON `audit_events` (`agent_slug`,`at`);--> statement-breakpoint
CREATE INDEX `audit_events_instance` ON `audit_events` (`agent_slug`,`instance_id`,`at`);--> statement-breakpoint
CREATE INDEX `audit_events_type` ON `audit_events` (`type`,`at`);--> statement-breakpoint
CREATE INDEX `audit_events_denied` ON `audit_events` (`at`) WHERE outcome = 'denied';--> statement-breakpoint
CREATE INDEX `audit_events_code` ON `audit_events` (`code`,`at`) WHERE code IS NOT NULL;--> statement-breakpoint
CREATE INDEX `audit_events_jti` ON `audit_events` (`jti`,`at`) WHERE jti IS NOT NULL;--> statement-breakpoint
CREATE INDEX `audit_events_session` ON `audit_events` (`session_id`,`at`) WHERE session_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX `audit_events_request` ON `audit_events` (`request_id`,`at`) WHERE request_id IS NOT NULL;--> statement-breakpoint
CREATE TABLE `rate_windows` (
	`key` text PRIMARY KEY NOT NULL,
	`started_at` integer NOT NULL,
	`count` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `revocation_copies` (
	`id` text PRIMARY KEY NOT NULL,
	`rev` integer NOT NULL,
	`target` text NOT NULL,
	`kind` text NOT NULL,
	`until` integer,
	`code` text NOT NULL,
	`arrival` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `revocation_copies_arrival` ON `revocation_copies` (`arrival`);--> statement-breakpoint
CREATE INDEX `revocation_copies_rev` ON `revocation_copies` (`rev`);--> statement-breakpoint
CREATE INDEX `revocation_copies_target` ON `revocation_copies` (`target`);--> statement-breakpoint
CREATE INDEX `revocation_copies_until` ON `revocation_copies` (`until`) WHERE until IS NOT NULL;--> statement-breakpoint
CREATE TABLE `session_parties` (
	`session_id` text NOT NULL,
	`party_id` text NOT NULL,
	`started_at` integer NOT NULL,
	PRIMARY KEY(`session_id`, `party_id`)
);
--> statement-breakpoint
CREATE INDEX `session_parties_party` ON `session_parties` (`party_id`,`started_at`,`session_id`);