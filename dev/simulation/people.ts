import { createHmac, generateKeyPairSync, sign } from 'node:crypto';
import { makeSecret, makeTokenId } from '@agent-ticket/broker/src/credentials/secret.ts';
import { createRandom } from '@agent-ticket/shared/test/random.ts';
import type { Sqlite } from './databases.ts';
import { ACCESS_AUDIENCE, SETTINGS, TEAM } from './deployment.ts';
import { START } from './world.ts';

/** The callers: an operator, a program with a service token, two people of a company, and an anonymous caller. */
export const NAMES = ['operator', 'robot', 'ann', 'bob', 'stranger'] as const;
export type Name = (typeof NAMES)[number];

export interface Person {
  readonly name: Name;
  /** `undefined`: each ticket has a different principal. */
  readonly principal: string | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** Requests for tickets per minute. `undefined`: no limit. */
  readonly limit: number | undefined;
}

const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const KID = 'team';
/** The keys that the company's identity provider publishes. */
export const TEAM_KEYS = {
  keys: [{ ...publicKey.export({ format: 'jwk' }), kid: KID, alg: 'RS256', use: 'sig' }],
};

const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** An assertion of Access that is valid for a day. */
function assertionOf(name: string): string {
  const iat = START / 1000 - 60;
  const claims = { iss: `https://${TEAM}`, aud: [ACCESS_AUDIENCE], sub: name, email: `${name}@company.test` };
  const input = `${encode({ alg: 'RS256', kid: KID, typ: 'JWT' })}.${encode({ ...claims, type: 'app', iat, exp: iat + 86_400 })}`;
  return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
}

const chance = createRandom(1);
const randomBytes = (length: number): Uint8Array => Uint8Array.from({ length }, () => chance.below(256));
const [operatorId, robotId] = [makeTokenId(randomBytes), makeTokenId(randomBytes)];
const [operatorSecret, robotSecret] = [makeSecret(operatorId, randomBytes), makeSecret(robotId, randomBytes)];

const PERMISSIONS = [
  'keys:read',
  'keys:rotate',
  'keys:revoke',
  'locks:read',
  'locks:write',
  'grants:read',
  'grants:write',
  'sessions:read',
  'sessions:terminate',
  'instances:delete',
  'audit:read',
  'audit:accept',
];

const human = (name: 'ann' | 'bob'): Person => ({
  name,
  principal: `access:${TEAM}:user:${name}`,
  headers: { 'cf-access-jwt-assertion': assertionOf(name) },
  limit: 60,
});

export const PEOPLE: Readonly<Record<Name, Person>> = {
  operator: {
    name: 'operator',
    principal: `token:${operatorId}`,
    headers: { authorization: `Bearer ${operatorSecret}` },
    limit: undefined,
  },
  robot: {
    name: 'robot',
    principal: `token:${robotId}`,
    headers: { authorization: `Bearer ${robotSecret}` },
    limit: 60,
  },
  ann: human('ann'),
  bob: human('bob'),
  stranger: { name: 'stranger', principal: undefined, headers: {}, limit: 30 },
};

/** Inserts the two service tokens into a new database, like the product does when it makes them. */
export function insertTokens(control: Sqlite): void {
  const pepper = Buffer.from(SETTINGS.TOKEN_PEPPER, 'base64url');
  for (const [id, secret, tier, permissions] of [
    [operatorId, operatorSecret, 'admin', PERMISSIONS],
    [robotId, robotSecret, 'free', []],
  ] as const) {
    control.all(
      `INSERT INTO service_tokens (id, name, agents, permissions, tier, created_by, created_at) VALUES (?, ?, NULL, ?, ?, 'setup', 0)`,
      [id, tier, JSON.stringify(permissions), tier],
    );
    const digest = createHmac('sha256', pepper).update(secret).digest('base64url');
    control.all('INSERT INTO service_token_secrets (digest, token_id, created_at) VALUES (?, ?, 0)', [
      digest,
      id,
    ]);
  }
}
