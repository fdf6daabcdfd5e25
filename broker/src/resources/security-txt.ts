import { err, ok } from '@agent-ticket/shared/outcome.ts';
import { iso } from '../http/iso.ts';
import type { Handler } from '../runtime/call.ts';

const DAY_MS = 86_400_000;
/** A broker that serves the file has the contact in its settings, so the file is as new as the answer. */
const VALID_MS = 30 * DAY_MS;

/** `GET /.well-known/security.txt` (RFC 9116), from `SECURITY_CONTACT`; 404 without it. It is not signed. */
export const showSecurityTxt: Handler = async ({ now, ports: { config } }) => {
  const { securityContact: contact, issuer } = config;
  if (contact === undefined) return err('route_unknown');
  const expires = iso((Math.floor(now / DAY_MS) + 1) * DAY_MS + VALID_MS);
  const canonical = new URL('/.well-known/security.txt', issuer).href;
  const text = `Contact: ${contact}\nExpires: ${expires}\nCanonical: ${canonical}\n`;
  return ok({
    status: 200,
    headers: { 'content-type': 'text/plain; charset=utf-8' },
    stream: new Blob([text]).stream(),
  });
};
