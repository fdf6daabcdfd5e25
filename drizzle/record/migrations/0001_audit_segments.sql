CREATE TABLE `audit_segments` (
	`n` integer PRIMARY KEY NOT NULL,
	`from_n` integer NOT NULL,
	`from_seq` integer NOT NULL,
	`through` integer NOT NULL,
	`at` integer NOT NULL,
	`bytes` integer NOT NULL,
	`digest` text NOT NULL,
	`purged_at` integer
);
--> statement-breakpoint
CREATE INDEX `audit_segments_through` ON `audit_segments` (`through`);