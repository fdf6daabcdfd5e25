import { BaseUrl, isLoopback, Mode, readSettings } from '@agent-ticket/shared/settings.ts';
import * as z from 'zod';

/** Settings of the demo page alone. A worker of your own needs neither. */
export const DemoSettings = z
  .strictObject({
    MODE: Mode.default('production'),
    DEMO_ACCESS_URL: BaseUrl.optional(),
  })
  .refine(
    ({ MODE, DEMO_ACCESS_URL: url }) =>
      url === undefined || (MODE === 'development' && URL.canParse(url) && isLoopback(new URL(url).hostname)),
    { path: ['DEMO_ACCESS_URL'], error: 'is for MODE=development on loopback only' },
  );

/**
 * Address of the stand-in for Access on a developer's machine; `undefined` in production, where Access is in front of the
 * broker. Throws an `Error` that names a wrong setting.
 */
export const readAccessUrl = (env: object): string | undefined =>
  readSettings('demo page', DemoSettings, env, /^DEMO_/).DEMO_ACCESS_URL;
