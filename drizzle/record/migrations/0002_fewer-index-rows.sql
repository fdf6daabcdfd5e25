DROP INDEX `agent_sessions_ticket`;--> statement-breakpoint
DROP INDEX `audit_events_type`;--> statement-breakpoint
DROP INDEX `audit_events_code`;--> statement-breakpoint
CREATE INDEX `audit_events_type` ON `audit_events` (`type`,`at`) WHERE type <> 'ticket.used' AND type <> 'session.opened' AND type <> 'session.closed';--> statement-breakpoint
CREATE INDEX `audit_events_code` ON `audit_events` (`code`,`at`) WHERE code <> 'client_closed';