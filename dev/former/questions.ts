import type { DevSecrets } from 'agent-ticket/src/open-secrets.ts';

/** A broker's answers about its databases, by path: the same before and after an upgrade. */

type Ask = (path: string, init?: RequestInit) => Promise<Response>;

const PATHS = [
  '/.well-known/jwks.json',
  '/.well-known/audit-jwks.json',
  '/admin/keys',
  '/admin/keys?purpose=audit',
  '/admin/service-tokens',
  '/admin/grants',
  '/admin/locks',
  '/admin/agents/sessions',
  ...[
    'ticket.issued',
    'key.revoked',
    'key.created',
    'grant.created',
    'grant.deleted',
    'lock.created',
    'lock.lifted',
  ].map((type) => `/admin/agents/audit?type=${type}`),
];

export const asAdmin = ({ adminToken }: DevSecrets): { readonly authorization: string } => ({
  authorization: `Bearer ${adminToken.clientSecret}`,
});

/** Without the times of uses, which the asking changes. */
export async function answersOf(ask: Ask, secrets: DevSecrets): Promise<Record<string, unknown>> {
  const answers: Record<string, unknown> = {};
  for (const path of PATHS) {
    const answer = await ask(path, { headers: asAdmin(secrets) });
    const text = (await answer.text()).replace(/"last_used_at":("[^"]*"|null)/g, '"last_used_at":"…"');
    answers[path] = { status: answer.status, body: JSON.parse(text) };
  }
  return answers;
}
