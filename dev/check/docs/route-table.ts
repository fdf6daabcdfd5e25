import type { Route } from '@agent-ticket/broker/src/http/route.ts';
import { ROUTES } from '@agent-ticket/broker/src/resources/routes.ts';
import { code, table } from './table.ts';

const WHO: Readonly<Record<Route['auth'], string>> = {
  none: 'everybody',
  optional: 'everybody, or any credential',
  required: 'any credential',
};

/** Every route of the broker, with what it asks of its caller. Finer rules are the handlers'. */
export const routes = (): string =>
  table(
    ['method', 'path', 'who', 'permission'],
    ROUTES.map(({ method, path, auth, permission }) => [
      method,
      code(path),
      WHO[auth],
      permission === undefined ? '' : code(permission),
    ]),
  );
