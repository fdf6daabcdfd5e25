import { BaseUrl, isLoopback, Mode, readSettings } from '@agent-ticket/shared/settings.ts';
import * as z from 'zod';

/** For `MODE=development`: stand-ins for services that others run in production. */
const StandIn = BaseUrl.refine(
  (url) => URL.canParse(url) && isLoopback(new URL(url).hostname),
  'is for MODE=development on loopback only',
).optional();

/** Settings of the demo page alone. A worker of your own needs none. */
export const DemoSettings = z
  .strictObject({
    MODE: Mode.default('production'),
    DEMO_ACCESS_URL: StandIn,
    DEMO_MCP_SERVER: StandIn,
  })
  .superRefine(({ MODE, ...standIns }, { addIssue }) => {
    if (MODE === 'development') return;
    for (const [name, url] of Object.entries(standIns))
      if (url !== undefined)
        addIssue({ code: 'custom', path: [name], message: 'is for MODE=development on loopback only' });
  });

interface StandIns {
  /** Plays Cloudflare Access, which is in front of the broker in production. */
  readonly accessUrl: string | undefined;
  /** An MCP server that asks for a sign-in, for trying. */
  readonly mcpServer: string | undefined;
}

/** The stand-ins on a developer's machine. Throws an `Error` that names a wrong setting. */
export function readStandIns(env: object): StandIns {
  const settings = readSettings('demo page', DemoSettings, env, /^DEMO_/);
  return { accessUrl: settings.DEMO_ACCESS_URL, mcpServer: settings.DEMO_MCP_SERVER };
}
