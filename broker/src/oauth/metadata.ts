import { ok } from '@agent-ticket/shared/outcome.ts';
import type { Handler } from '../runtime/call.ts';
import { GRANT_TYPES } from './request.ts';

/**
 * `GET /.well-known/oauth-authorization-server` (RFC 8414 §2), from configuration and never from `Host`. There is no
 * authorization endpoint; `none` is the registered response type of an endpoint that returns nothing, and is here
 * because the member is required and must not be empty.
 */
export const showServerMetadata: Handler = async ({ ports }) => {
  const { issuer } = ports.config;
  return ok({
    status: 200,
    headers: { 'cache-control': 'public, max-age=3600' },
    body: {
      issuer,
      token_endpoint: new URL('/token', issuer).href,
      jwks_uri: new URL('/.well-known/jwks.json', issuer).href,
      response_types_supported: ['none'],
      grant_types_supported: GRANT_TYPES,
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'none'],
    },
  });
};
