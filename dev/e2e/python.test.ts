import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, inject, it } from 'vitest';
import { findPythonForClient } from '../find-python.ts';
import { quietEnvironment, ROOT } from '../quiet-environment.ts';

/** The Python client with the whole system. */

const python = await findPythonForClient(console.warn);

it.skipIf(python === undefined)('calls, state, scopes, refusals, locks, renewal and chat', async () => {
  const { broker, serviceToken, adminToken, auth0 } = inject('stack');
  const env = {
    ...quietEnvironment(process.env),
    NO_PROXY: '127.0.0.1',
    PYTHONPATH: `${ROOT}python/src`,
    PYTHONDONTWRITEBYTECODE: '1',
    BROKER: broker,
    CLIENT_SECRET: serviceToken.clientSecret,
    ADMIN_SECRET: adminToken.clientSecret,
    TOKEN_URL: auth0.tokenUrl,
  };
  const { stderr } = await promisify(execFile)(python ?? '', [`${ROOT}python/tests/on_a_stack.py`], { env });
  expect(stderr).toMatch(/Ran 6 tests in .*\n\nOK\n$/);
});
