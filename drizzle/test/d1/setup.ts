import { applyD1Migrations, reset } from 'cloudflare:test';
import { env } from 'cloudflare:workers';

/** All files of a run share one runtime. Each begins with no object and an empty pair of databases. */
await reset();
await applyD1Migrations(env.CONTROL, env.CONTROL_MIGRATIONS);
await applyD1Migrations(env.RECORD, env.RECORD_MIGRATIONS);
