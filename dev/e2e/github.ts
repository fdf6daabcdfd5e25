import { listenOnLoopback } from 'agent-ticket/src/identity-provider/http.ts';
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose';
import { inject, onTestFinished } from 'vitest';
import * as z from 'zod';
import { blocksOf } from './documents.ts';

const ALG = 'RS256';
const DOCUMENT = 'docs/identities/workload-identity.md';
const KID = 'github-of-the-tests';

/** The signing key of the tests' GitHub, and its registration at a broker. */
export interface GitHub {
  readonly privateJwk: JWK;
  /** `OIDC_ISSUERS`: the registration of the document, with the keys pinned since the real issuer is out of reach. */
  readonly issuers: string;
}

/** @param broker Replaces the document's broker. */
export async function makeGitHub(broker: string): Promise<GitHub> {
  const { publicKey, privateKey } = await generateKeyPair(ALG, { extractable: true });
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: KID, alg: ALG, use: 'sig' }] };
  const block = (await blocksOf(DOCUMENT)).find(
    ({ heading, language }) => heading === 'GitHub Actions' && language === 'json',
  );
  const text = (block?.text ?? '').replaceAll('https://broker.example.com', broker);
  const issuers = z.array(z.looseObject({ name: z.literal('github') })).parse(JSON.parse(text));
  return {
    privateJwk: await exportJWK(privateKey),
    issuers: JSON.stringify(issuers.map((issuer) => ({ ...issuer, jwks }))),
  };
}

/** One step of the workflow in the document: its script, and the variables that the step sets. */
export async function workflowStep(): Promise<{ text: string; env: Record<string, string> }> {
  const block = (await blocksOf(DOCUMENT)).find(({ language }) => language === 'yaml');
  const lines = (block?.text ?? '').split('\n');
  const below = (key: string): string[] => {
    const at = lines.findIndex((line) => line.trim() === key);
    const indent = (line: string): number => line.length - line.trimStart().length;
    const rest = lines.slice(at + 1);
    const end = rest.findIndex((line) => line.trim() !== '' && indent(line) <= indent(lines[at] ?? ''));
    return at < 0 ? [] : rest.slice(0, end < 0 ? undefined : end);
  };
  const env = below('env:').map((line) => {
    const [name = '', ...value] = line.trim().split(': ');
    return [name, value.join(': ')];
  });
  return { text: below('run: |').join('\n'), env: Object.fromEntries(env) };
}

/** The variables that GitHub gives a job with `id-token: write`; its tokens have these claims beside the usual. */
export async function jobWith(claims: Readonly<Record<string, unknown>>): Promise<Record<string, string>> {
  const key = await importJWK(inject('testStack').githubKey, ALG);
  const token = 'request-token-of-the-job';
  const server = await listenOnLoopback(0, async ({ url = '/', headers }, response) => {
    if (headers.authorization !== `Bearer ${token}`) {
      response.writeHead(401).end();
      return;
    }
    const now = Math.floor(Date.now() / 1000);
    const value = await new SignJWT({
      iss: 'https://token.actions.githubusercontent.com',
      aud: new URL(url, 'http://localhost').searchParams.get('audience') ?? 'https://github.com/octo-org',
      sub: 'repo:octo-org@65/octo-repo@74:environment:production',
      ref: 'refs/heads/main',
      repository: 'octo-org/octo-repo',
      repository_id: '74',
      repository_owner_id: '65',
      environment: 'production',
      jti: crypto.randomUUID(),
      iat: now,
      nbf: now,
      exp: now + 300,
      ...claims,
    })
      .setProtectedHeader({ alg: ALG, kid: KID, typ: 'JWT' })
      .sign(key);
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ count: 1, value }));
  });
  onTestFinished(() => server.close());
  return {
    ACTIONS_ID_TOKEN_REQUEST_TOKEN: token,
    ACTIONS_ID_TOKEN_REQUEST_URL: `${server.url}/token?api-version=2.0`,
  };
}
