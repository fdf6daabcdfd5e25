import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import * as z from 'zod';
import { type Row, UsageError } from './command.ts';

/** The part of the driver of the installed broker that is used here. */
interface Driver {
  createClient(config: { readonly url: string; readonly authToken?: string | undefined }): {
    batch(statements: string[], mode: 'write'): Promise<readonly { readonly rows: readonly unknown[] }[]>;
    close(): void;
  };
}

const Rows = z.array(z.looseObject({}));

/** See `Terminal.runLibsql`. Answers the rows of the last statement. */
export async function runLibsql(
  { url, token }: { readonly url: string; readonly token?: string | undefined },
  statements: readonly string[],
): Promise<readonly Row[]> {
  const client = loadDriver().createClient({ url, authToken: token });
  try {
    const results = await client.batch([...statements], 'write');
    return Rows.parse(results.at(-1)?.rows ?? []);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new UsageError(
      `The database does not take the rows (${String(error.code)}). Start the broker once, which makes its tables, and check CONTROL_DATABASE_URL.`,
    );
  } finally {
    client.close();
  }
}

function loadDriver(): Driver {
  try {
    const here = createRequire(resolve('package.json'));
    const broker = createRequire(here.resolve('@agent-ticket/broker/node'));
    return broker('@libsql/client');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    throw new UsageError('The broker is not installed in this folder: npm install @agent-ticket/broker');
  }
}
