CREATE TABLE `agent_workers` (
	`audience` text PRIMARY KEY NOT NULL,
	`digest` text NOT NULL,
	`answered_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `auth_sessions` (
	`id` text PRIMARY KEY NOT NULL,
	`issuer` text NOT NULL,
	`subject` text NOT NULL,
	`sid` text,
	`claims` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`ended_at` integer
);
--> statement-breakpoint
CREATE INDEX `auth_sessions_subject` ON `auth_sessions` (`issuer`,`subject`) WHERE ended_at IS NULL;--> statement-breakpoint
CREATE INDEX `auth_sessions_sid` ON `auth_sessions` (`issuer`,`sid`) WHERE ended_at IS NULL;--> statement-breakpoint
CREATE INDEX `auth_sessions_expired` ON `auth_sessions` (`expires_at`);--> statement-breakpoint
CREATE TABLE `grants` (
	`id` text PRIMARY KEY NOT NULL,
	`subject` text NOT NULL,
	`agent_slug` text NOT NULL,
	`instance_id` text NOT NULL,
	`role` text NOT NULL,
	`reason` text NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer,
	`claimed` integer DEFAULT false NOT NULL,
	`opened_at` integer,
	`deleted_at` integer
);
--> statement-breakpoint
CREATE INDEX `grants_newest` ON `grants` (`created_at`,`id`) WHERE deleted_at IS NULL;--> statement-breakpoint
CREATE INDEX `grants_agent` ON `grants` (`agent_slug`,`created_at`,`id`) WHERE deleted_at IS NULL;--> statement-breakpoint
CREATE INDEX `grants_subject` ON `grants` (`subject`,`created_at`,`id`) WHERE deleted_at IS NULL;--> statement-breakpoint
CREATE UNIQUE INDEX `grants_lookup_unique` ON `grants` (`subject`,`agent_slug`,`role`,`instance_id`) WHERE deleted_at IS NULL;--> statement-breakpoint
CREATE INDEX `grants_instance` ON `grants` (`agent_slug`,`instance_id`,`created_at`,`id`) WHERE deleted_at IS NULL;--> statement-breakpoint
CREATE INDEX `grants_owner` ON `grants` (`agent_slug`,`instance_id`) WHERE role = 'owner';--> statement-breakpoint
CREATE INDEX `grants_claims` ON `grants` (`subject`,`opened_at`,`created_at`) WHERE claimed = 1 AND deleted_at IS NULL;--> statement-breakpoint
CREATE INDEX `grants_ended` ON `grants` (`expires_at`) WHERE deleted_at IS NULL AND expires_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `grants_deleted` ON `grants` (`deleted_at`) WHERE deleted_at IS NOT NULL AND role <> 'owner';--> statement-breakpoint
CREATE UNIQUE INDEX `grants_claim_unique` ON `grants` (`agent_slug`,`instance_id`) WHERE claimed = 1;--> statement-breakpoint
CREATE TABLE `outbox` (
	`id` text PRIMARY KEY NOT NULL,
	`event` text NOT NULL,
	`command` text,
	`delivered` text DEFAULT '[]' NOT NULL,
	`attempts` integer DEFAULT 0 NOT NULL,
	`due_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `outbox_due` ON `outbox` (`due_at`);--> statement-breakpoint
CREATE TABLE `principals` (
	`id` text PRIMARY KEY NOT NULL,
	`tokens_before` integer,
	`logins_before` integer,
	`label` text COLLATE NOCASE,
	`last_seen_at` integer,
	`kept_until` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `principals_kept` ON `principals` (`kept_until`);--> statement-breakpoint
CREATE INDEX `principals_label` ON `principals` (`label`,`id`) WHERE label IS NOT NULL;--> statement-breakpoint
CREATE TABLE `revocations` (
	`id` text PRIMARY KEY NOT NULL,
	`rev` integer NOT NULL,
	`target` text NOT NULL,
	`kind` text NOT NULL,
	`until` integer,
	`code` text NOT NULL,
	`reason` text NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `revocations_rev_unique` ON `revocations` (`rev`);--> statement-breakpoint
CREATE INDEX `revocations_target` ON `revocations` (`target`,`kind`,`until`);--> statement-breakpoint
CREATE INDEX `revocations_locks` ON `revocations` (`created_at`,`id`) WHERE code = 'locked';--> statement-breakpoint
CREATE INDEX `revocations_until` ON `revocations` (`until`) WHERE until IS NOT NULL;--> statement-breakpoint
CREATE TABLE `service_token_secrets` (
	`digest` text PRIMARY KEY NOT NULL,
	`token_id` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer,
	FOREIGN KEY (`token_id`) REFERENCES `service_tokens`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `service_token_secrets_token` ON `service_token_secrets` (`token_id`);--> statement-breakpoint
CREATE TABLE `service_tokens` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`agents` text,
	`permissions` text NOT NULL,
	`tier` text NOT NULL,
	`created_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer,
	`revoked_at` integer,
	`last_used_at` integer
);
--> statement-breakpoint
CREATE INDEX `service_tokens_newest` ON `service_tokens` (`created_at`,`id`) WHERE revoked_at IS NULL;--> statement-breakpoint
CREATE TABLE `signing_keys` (
	`kid` text PRIMARY KEY NOT NULL,
	`purpose` text NOT NULL,
	`generation` integer NOT NULL,
	`alg` text NOT NULL,
	`sealed` text NOT NULL,
	`created_at` integer NOT NULL,
	`activates_at` integer NOT NULL,
	`retires_at` integer,
	`removed_at` integer,
	`revoked_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `signing_keys_generation` ON `signing_keys` (`purpose`,`generation`);--> statement-breakpoint
CREATE TABLE `used_tokens` (
	`name` text PRIMARY KEY NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `used_tokens_expired` ON `used_tokens` (`expires_at`);