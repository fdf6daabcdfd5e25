import { DurableObject } from 'cloudflare:workers';

/** An object with nothing in it: tests use its storage. */
export class Destination extends DurableObject {}

export default { fetch: () => new Response(null, { status: 404 }) } satisfies ExportedHandler;
