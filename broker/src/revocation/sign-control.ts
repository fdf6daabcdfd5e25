import { CONTROL_TYPE, type ControlClaims, controlAudience } from '@agent-ticket/shared/control.ts';
import { SignJWT } from 'jose';
import type { KeyMaterial } from '../keys/material.ts';

/** Signs a command with the key that signs tickets; type and audience keep the two apart (RFC 8725 §3.11, §3.12). */
export const signControl = (
  { cmd, before, ...claims }: Omit<ControlClaims, 'aud'>,
  ticketAudience: string,
  key: KeyMaterial,
): Promise<string> =>
  new SignJWT({ ...claims, aud: controlAudience(ticketAudience), cmd, before })
    .setProtectedHeader({ alg: key.alg, typ: CONTROL_TYPE, kid: key.kid })
    .sign(key.privateKey);
