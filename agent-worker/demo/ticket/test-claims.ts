/** What every ticket that the page shows has in it. */
export const CLAIMS = {
  sub: 'token:1',
  jti: '7ec7f6bf-2f3b-4b6f-8474-aa15a55caaa6',
  iat: 1_700_000_000,
  exp: 1_700_000_060,
  agent: 'counter',
  instance: 'demo',
  scope: 'agent:connect',
  role: 'viewer',
  tier: 'pro',
  session_expiry: 1_700_003_600,
} as const;
