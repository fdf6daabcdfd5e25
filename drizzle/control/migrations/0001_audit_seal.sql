CREATE TABLE `audit_seal` (
	`id` integer PRIMARY KEY NOT NULL,
	`n` integer NOT NULL,
	`through` integer NOT NULL,
	`hash` text NOT NULL
);
