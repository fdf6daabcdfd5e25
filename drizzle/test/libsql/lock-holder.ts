import { createClient } from '@libsql/client';

/** A process of its own that holds a file's write lock: `ready` on its output, and until a line comes in. */
const [url = ''] = process.argv.slice(2);
const transaction = await createClient({ url }).transaction('write');
await transaction.execute('CREATE TABLE left_behind (n INTEGER)');
process.stdout.write('ready\n');
process.stdin.once('data', async () => {
  await transaction.rollback();
  process.stdout.write('released\n');
  process.stdin.destroy();
});
