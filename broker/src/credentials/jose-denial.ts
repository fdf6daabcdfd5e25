import { deny, type Outcome } from '@agent-ticket/shared/outcome.ts';
import { errors } from 'jose';

/** Why jose refused a token, in our words. Its messages hold no token bytes, but name claims; they stay inside. */
export function denialOfJose(error: errors.JOSEError): Outcome<never> {
  const inside = error.code;
  if (error instanceof errors.JWTExpired) return deny('credential_expired', { inside });
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === 'nbf' && error.reason === 'check_failed'
      ? deny('credential_not_yet_valid', { inside })
      : deny('credential_claims_invalid', { inside: `${inside} ${error.claim}` });
  }
  return error instanceof errors.JWSSignatureVerificationFailed
    ? deny('credential_signature_invalid', { inside })
    : deny('credential_malformed', { inside });
}
