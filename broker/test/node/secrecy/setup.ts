import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { importKeyEncryptionKey, unseal } from '../../../src/keys/seal.ts';
import { secret } from '../../canaries.ts';
import { CLIENT_ID, openTenant, type TenantSetup } from '../auth0-session/tenant.ts';
import { testIssuer } from '../issuer.ts';
import { BROKER, basic, NOW } from '../start-broker.ts';

/** A broker that takes every kind of credential there is, and somebody who has each. */

const TEAM = 'https://team.cloudflareaccess.com';
const PLATFORM = 'https://platform.test';
const APPLICATION = 'a'.repeat(64);
const PAGE = { origin: 'https://app.test' };

const bytes = (length: number) => crypto.getRandomValues(new Uint8Array(length));
const newKey = (): string => secret(Buffer.from(bytes(32)).toString('base64url'));

/** What a caller sends, and the bytes in it that nobody else may see. */
export interface Presented {
  readonly what: string;
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface SecrecySetup {
  readonly at: TenantSetup;
  /** One of each kind that is good. */
  good(): Promise<Presented[]>;
  /** The same with something wrong, and what is no credential here at all. */
  bad(): Promise<Presented[]>;
  accessToken(sub?: string): Promise<string>;
  /** Everything that the databases hold, rows that were deleted and the write-ahead log included. */
  everythingKept(): Promise<string>;
  /** Remembers the private half of every key there is; how many. */
  rememberPrivateKeys(): Promise<number>;
}

export async function openSecrecySetup(): Promise<SecrecySetup> {
  const [team, platform] = [await testIssuer(TEAM), await testIssuer(PLATFORM)];
  const kek = newKey();
  const at = await openTenant(
    {
      KEK: kek,
      TOKEN_PEPPER: newKey(),
      AUTH0_CLIENT_SECRET: newKey(),
      AUTH0_SESSION_ENCRYPTION_KEY: newKey(),
      CF_ACCESS_TEAM_DOMAIN: new URL(TEAM).host,
      CF_ACCESS_AUD: APPLICATION,
      OIDC_ISSUERS: JSON.stringify([
        {
          name: 'platform',
          issuer: PLATFORM,
          audiences: [BROKER],
          match: [{ claim: 'sub', equals: 'job' }],
          jwks: platform.keySet,
        },
      ]),
    },
    { [`${TEAM}/cdn-cgi/access/certs`]: team.keySet },
  );
  const { broker } = at;
  /** From its first byte on: nothing of ours begins like a token that others signed. */
  const foreign = (token: string): string => {
    secret(token.slice(0, 40));
    return secret(token);
  };
  const times = () => ({ iat: broker.clock.now, exp: NOW + 3600 });
  const accessToken = async (sub = 'auth0|alice') =>
    foreign(await at.tenant.sign({ ...times(), sub, aud: 'https://broker.test/api' }));
  const workloadToken = async () => foreign(await platform.sign({ ...times(), sub: 'job', aud: BROKER }));
  const assertion = async () =>
    foreign(
      await team.sign({
        ...times(),
        aud: [APPLICATION],
        type: 'app',
        sub: crypto.randomUUID(),
        email: 'a@b.test',
      }),
    );

  async function good(): Promise<Presented[]> {
    const { clientId, clientSecret } = await broker.makeServiceToken();
    const [token, job, asserted, cookie] = [
      await accessToken(),
      await workloadToken(),
      await assertion(),
      await assertion(),
    ];
    const { cookie: session } = await at.signIn();
    return [
      ...asServiceToken(clientId, secret(clientSecret)),
      { what: 'an Access assertion', text: asserted, headers: { 'cf-access-jwt-assertion': asserted } },
      {
        what: 'a cookie of Access',
        text: cookie,
        headers: { cookie: `CF_Authorization=${cookie}`, ...PAGE },
      },
      { what: 'an Auth0 access token', text: token, headers: { authorization: `Bearer ${token}` } },
      { what: 'a workload token', text: job, headers: { authorization: `Bearer ${job}` } },
      {
        what: 'a session cookie',
        text: secret(session.slice('appSession='.length)),
        headers: { cookie: session, ...PAGE },
      },
    ];
  }

  return {
    at,
    good,
    async bad() {
      const spoiled = (await good()).map(({ what, text, headers }) => {
        const wrong = secret(spoil(text));
        const sent = Object.entries(headers).map(([name, value]) => [
          name,
          value.startsWith('Basic ') ? basic(CLIENT_ID, wrong).authorization : value.replace(text, wrong),
        ]);
        return { what: `${what}, spoiled`, text: wrong, headers: Object.fromEntries(sent) };
      });
      const [first] = spoiled;
      const text = first?.text ?? '';
      return [
        ...spoiled,
        { what: 'an unknown scheme', text, headers: { authorization: `Digest ${text}` } },
        { what: 'no scheme', text, headers: { authorization: text } },
        {
          what: 'two at once',
          text,
          headers: { ...first?.headers, authorization: `Bearer ${text}` },
        },
        { what: 'a secret as a name', text, headers: basic(text, text) },
      ];
    },
    accessToken,
    async everythingKept() {
      const names = await readdir(broker.folder);
      const files = await Promise.all(names.map((name) => readFile(join(broker.folder, name), 'latin1')));
      return files.join('\n');
    },
    async rememberPrivateKeys() {
      const key = await importKeyEncryptionKey(new Uint8Array(Buffer.from(kek, 'base64url')));
      const { keys } = broker.runtime.control;
      const rows = [...(await keys.list('ticket')), ...(await keys.list('audit'))];
      const opened = await Promise.all(rows.map((row) => unseal(key, row, row.sealed)));
      return opened.filter((jwk) => jwk?.d !== undefined && secret(jwk.d) !== '').length;
    },
  };
}

const asServiceToken = (id: string, text: string): Presented[] => {
  const inBasic = basic(id, text);
  secret(inBasic.authorization.slice(-48));
  return [
    {
      what: 'a service token as a pair of headers',
      text,
      headers: { 'cf-access-client-id': id, 'cf-access-client-secret': text },
    },
    { what: 'a service token as Basic', text, headers: inBasic },
    { what: 'a service token as Bearer', text, headers: { authorization: `Bearer ${text}` } },
  ];
};

/** Another text of the same shape. */
const spoil = (text: string): string => `${text.slice(0, -20)}${[...text.slice(-20)].reverse().join('')}`;
