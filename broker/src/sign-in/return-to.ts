import { err, type Outcome, ok } from '@agent-ticket/shared/outcome.ts';
import type { BrokerPorts } from '../runtime/ports.ts';

interface ReturnPorts {
  readonly config: Pick<BrokerPorts['config'], 'issuer'>;
  readonly credentials: Pick<BrokerPorts['credentials'], 'ownOrigin' | 'trustedOrigins'>;
}

/**
 * The target of the redirect after a sign-in or sign-out: a path of the broker or a page of a listed origin; default is
 * the broker's first page. No path of the broker that signs in or out: a link to a sign-in would sign the person out
 * again, or begin without an end. The redirect uses the parsed address, so that the browser cannot read a spelling
 * (`//host`, a backslash, a tab) differently. An address with a scheme inside, such as `blob:`, has the origin of its
 * page and is none.
 */
export function readReturnTo(
  asked: string | null,
  { config, credentials: { ownOrigin, trustedOrigins } }: ReturnPorts,
): Outcome<string> {
  if (asked === null) return ok(new URL('/', ownOrigin).href);
  if (asked.length <= 2048 && URL.canParse(asked, ownOrigin)) {
    const url = new URL(asked, ownOrigin);
    const isPage = /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
    const isOwn = [ownOrigin, new URL(config.issuer).origin].includes(url.origin);
    if (isPage && trustedOrigins.includes(url.origin) && !(isOwn && isSignInPath(url.pathname)))
      return ok(url.href);
  }
  return err('field_invalid', { field: 'return_to' });
}

/** Whether a router may read a path as one below `/auth`: escaped letters and doubled slashes count as they may there. */
function isSignInPath(path: string): boolean {
  const plain = path.replace(/%([0-9a-f]{2})/gi, (_escape, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return /^\/+auth(\/|$)/i.test(plain);
}
