/** What one broker API call needs. Held by principals through service tokens and claim rules, never in a ticket. */
export const PERMISSIONS = ['keys:read', 'keys:rotate'] as const;
export type Permission = (typeof PERMISSIONS)[number];
