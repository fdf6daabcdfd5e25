import { exportJWK, generateKeyPair, type JWTHeaderParameters, type JWTPayload, SignJWT } from 'jose';

/** An issuer with one key, as real as its signatures. */
export interface TestIssuer {
  readonly issuer: string;
  /** Public keys, as the issuer publishes them. */
  readonly keySet: { readonly keys: readonly object[] };
  sign(claims: JWTPayload, header?: Partial<JWTHeaderParameters>): Promise<string>;
}

export async function testIssuer(
  issuer: string,
  { alg = 'RS256', kid = 'key-1' }: { readonly alg?: 'RS256' | 'ES256'; readonly kid?: string } = {},
): Promise<TestIssuer> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return {
    issuer,
    keySet: { keys: [{ ...(await exportJWK(publicKey)), alg, kid, use: 'sig' }] },
    sign: (claims, header) =>
      new SignJWT({ iss: issuer, ...claims })
        .setProtectedHeader({ alg, kid, typ: 'JWT', ...header })
        .sign(privateKey),
  };
}
