import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, inject, it, onTestFinished } from 'vitest';
import * as z from 'zod';
import { openAccessEdge } from './access-edge.ts';
import { decodePayload, mint, post } from './broker.ts';
import { type Block, localText, type Paste, paste, requestsOf } from './documents.ts';
import { jobWith, workflowStep } from './github.ts';
import { connected } from './sockets.ts';

const json = (text: string): unknown => JSON.parse(text);
const Ticket = z.looseObject({ ticket: z.string() });
const OAuthTicket = z.looseObject({ access_token: z.string() });

/** The claims of the ticket in an answer of `POST /tickets` or `POST /token`. */
const claimsIn = (text: string) => {
  const answer = z.union([Ticket, OAuthTicket]).parse(json(text));
  return decodePayload('ticket' in answer ? String(answer.ticket) : String(answer.access_token));
};

async function tokenAt(url: string, body: object): Promise<string> {
  return z.object({ token: z.string() }).parse(await (await post(url, {}, body)).json()).token;
}

/** The environment of a block, and its expected output. */
type Try = (run: (paste?: Paste) => Promise<string>) => Promise<void>;

const asClient = () => {
  const { clientId, clientSecret } = inject('stack').serviceToken;
  return { CLIENT_ID: clientId, CLIENT_SECRET: clientSecret };
};
const asOperator = () => {
  const { clientId, clientSecret } = inject('stack').adminToken;
  return { OPERATOR_ID: clientId, OPERATOR_SECRET: clientSecret };
};
const service = () => `token:${inject('stack').serviceToken.id}`;
const asJob = { ACCESS_CLIENT_ID: `${'5e'.repeat(16)}.access`, ACCESS_CLIENT_SECRET: 'any' };
const atEdge = async () => ({
  env: asJob,
  addresses: { 'https://broker.example.com': await openAccessEdge() },
});
const JOB = `access:dev-team.cloudflareaccess.com:service:${asJob.ACCESS_CLIENT_ID}`;

/** Every request of these documents, in their order there. A new one fails until it is tried here. */
const DOCUMENTS: Readonly<Record<string, readonly Try[]>> = {
  'docs/identities/oauth.md': [
    async (run) => {
      expect(claimsIn(await run({ env: asClient() }))).toMatchObject({ sub: service(), agent: 'counter' });
    },
    async (run) => {
      const ACCESS_TOKEN = await tokenAt(inject('stack').auth0.tokenUrl, { sub: 'auth0|vera' });
      expect(claimsIn(await run({ env: { ACCESS_TOKEN } }))).toMatchObject({
        sub: 'auth0:dev-tenant.auth.test:auth0|vera',
      });
    },
    async (run) => {
      const { access, auth0, serviceToken } = inject('stack');
      const ACCESS_JWT = await tokenAt(access.tokenUrl, { email: 'vera@example.com' });
      const ACCESS_TOKEN = await tokenAt(auth0.tokenUrl, { sub: 'bot@clients' });
      const claims = claimsIn(await run({ env: { ...asClient(), ACCESS_JWT, ACCESS_TOKEN } }));
      expect(claims).toMatchObject({
        sub: expect.stringMatching(/^access:.*:user:/),
        act: { sub: 'auth0:dev-tenant.auth.test:bot@clients' },
        client_id: serviceToken.clientId,
        scope: 'agent:connect agent:state:read',
      });
    },
    async (run) => {
      const { ticket: TICKET } = await mint({ instance: 'revoked' });
      const answers = await run({ env: { ...asClient(), TICKET } });
      expect(json(answers)).toMatchObject({ active: true, sub: service(), instance: 'revoked' });
    },
  ],
  'docs/identities/service-tokens.md': [
    async (run) => {
      expect(json(await run({ env: asOperator() }))).toMatchObject({ client_secret: expect.any(String) });
    },
    async (run) => {
      const ID = inject('stack').serviceToken.id;
      expect(json(await run({ env: { ...asOperator(), ID } }))).toMatchObject({
        subject: `token:${ID}`,
        role: 'admin',
      });
    },
    async (run) => {
      expect(claimsIn(await run({ env: asClient() }))).toMatchObject({ sub: service(), instance: 'main' });
    },
    async (run) => {
      const [me, explained] = (await run({ env: asClient() })).split(/(?<=\})(?=\{)/).map(json);
      expect(me).toMatchObject({ principal: service(), method: 'service-token' });
      expect(explained).toMatchObject({ allowed: true });
    },
  ],
  'docs/identities/access.md': [
    async (run) => {
      expect(claimsIn(await run(await atEdge()))).toMatchObject({ sub: JOB });
    },
    async (run) => {
      expect(json(await run(await atEdge()))).toMatchObject({ principal: JOB, method: 'access' });
    },
  ],
  'docs/identities/auth0-tokens.md': [
    async (run) => {
      const answer = await run({
        env: { AUTH0_CLIENT_ID: 'dev-broker', AUTH0_CLIENT_SECRET: 'dev-broker-secret' },
        addresses: {
          'https://your-tenant.eu.auth0.com': inject('stack').identityProvider,
          'https://broker.example.com/api': 'https://broker.test/api',
        },
      });
      expect(claimsIn(answer)).toMatchObject({ sub: 'auth0:dev-tenant.auth.test:dev-broker@clients' });
    },
  ],
};

describe.each(Object.entries(DOCUMENTS))('%s', (document, tries) => {
  const blocks: Promise<Block[]> = requestsOf(document);

  it('has no request that is not tried', async () => {
    expect((await blocks).map(({ line }) => line)).toHaveLength(tries.length);
  });

  it.each(tries.map((attempt, index) => [index + 1, attempt] as const))(
    'request %i succeeds',
    async (number, attempt) => {
      const block = (await blocks)[number - 1];
      if (block === undefined) throw new Error(`there is no request ${number}`);
      await attempt((how) => paste(block, how));
    },
  );
});

describe('the GitHub Actions workflow of docs/identities/workload-identity.md', () => {
  const run = async (claims: Readonly<Record<string, unknown>> = {}) => {
    const folder = await mkdtemp(join(tmpdir(), 'agent-ticket-job-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const GITHUB_OUTPUT = join(folder, 'output');
    const { text, env } = await workflowStep();
    const own = Object.entries(env).map(([name, value]) => [name, localText(value)]);
    const stdout = await paste(
      { text },
      { env: { ...Object.fromEntries(own), GITHUB_OUTPUT, ...(await jobWith(claims)) } },
    );
    return { stdout, output: await readFile(GITHUB_OUTPUT, 'utf8') };
  };

  it('gets a ticket without a stored secret, masks it in the log, and the ticket opens a socket', async () => {
    const { stdout, output } = await run();
    const [, ticket = ''] = /^ticket=(\S+)\n$/.exec(output) ?? [];
    expect(stdout).toBe(`::add-mask::${ticket}\n`);
    const client = await connected('counter', 'main', { query: { ticket } });
    expect(await client.call('whoami')).toMatchObject({
      principal: 'oidc:github:repo:octo-org@65/octo-repo@74:environment:production',
    });
  });

  it.each([
    ['of a pull request', { ref: 'refs/pull/1/merge' }],
    ['of another repository of that name', { repository_id: '75' }],
    ['without the environment', { environment: undefined }],
    ['for another audience', { aud: 'https://other.test' }],
  ])('fails for a job %s', async (_what, claims) => {
    await expect(run(claims)).rejects.toThrow(/The requested URL returned error: 400/);
  });
});
