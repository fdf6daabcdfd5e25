import { applyD1Migrations, reset } from 'cloudflare:test';
import { env } from 'cloudflare:workers';

/*
 * All files of a run share one runtime; each begins with nothing in it. `reset` forgets the storage only of what is in
 * memory, and the runtime takes out of memory what nobody asked for ten seconds: so both databases are asked before.
 * An object of a test has no name, so no other test finds it.
 */
await Promise.all([env.CONTROL, env.RECORD].map((db) => db.prepare('SELECT 1').run()));
await reset();
await applyD1Migrations(env.CONTROL, env.CONTROL_MIGRATIONS);
await applyD1Migrations(env.RECORD, env.RECORD_MIGRATIONS);
