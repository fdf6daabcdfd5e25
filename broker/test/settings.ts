/** Settings of the broker under test. Plain text, since the test runner's configuration takes them too. */
export const SETTINGS = {
  ISSUER: 'https://broker.test',
  TICKET_AUDIENCE: 'agents.test',
  AGENT_WORKER_URL: 'https://agents.test',
  KEK: 'key-encryption-key-of-the-tests-0123456789A',
  TOKEN_PEPPER: 'token-pepper-of-the-tests-0123456789abcdefA',
  ALLOWED_ORIGINS: 'https://app.test,https://console.test',
  MODE: 'production',
  CF_ACCESS_TEAM_DOMAIN: 'team.cloudflareaccess.com',
  CF_ACCESS_AUD: 'a'.repeat(64),
  AUTH0_DOMAIN: 'tenant.auth.test',
  AUTH0_AUDIENCE: 'https://broker.test/api',
  AUTH0_CLIENT_ID: 'broker-of-the-tests',
  AUTH0_CLIENT_SECRET: 'client-secret-of-the-tests',
  AUTH0_SESSION_ENCRYPTION_KEY: 'session-key-of-the-tests-0123456789',
  BASE_URL: 'https://broker.test',
} as const;
