import { generateKeyPair, jwtVerify, SignJWT } from 'jose';

/** One ES256 signature checked and one made, without a database: the least that a token exchange costs. */

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;

/** A value, not a promise: on Workers one request must not wait for the promise of another. */
let keys: Keys | undefined;

async function keyPair(): Promise<Keys> {
  keys ??= await generateKeyPair('ES256');
  return keys;
}

/** A ticket-like token of these claims, for a minute. */
export async function sign(claims: Readonly<Record<string, string>>): Promise<string> {
  const { privateKey } = await keyPair();
  return new SignJWT({ ...claims, scope: 'agent:connect agent:state:read agent:message' })
    .setProtectedHeader({ alg: 'ES256', typ: 'JWT' })
    .setIssuer('https://broker.example')
    .setSubject('token:0123456789')
    .setIssuedAt()
    .setExpirationTime('1h')
    .sign(privateKey);
}

export async function verify(token: string): Promise<void> {
  const { publicKey } = await keyPair();
  await jwtVerify(token, publicKey, { issuer: 'https://broker.example' });
}

/** Verifies the bearer token of a request and signs another one of its JSON body. */
export async function exchange(request: {
  readonly headers: Pick<Headers, 'get'>;
  json(): Promise<unknown>;
}): Promise<{ token: string }> {
  await verify(request.headers.get('authorization')?.slice('Bearer '.length) ?? '');
  const body = await request.json();
  if (typeof body !== 'object' || body === null) throw new TypeError('no object');
  const [agent, instance] = [Reflect.get(body, 'agent'), Reflect.get(body, 'instance')];
  return { token: await sign({ agent: String(agent), instance: String(instance) }) };
}
