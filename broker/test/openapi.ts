import { answerChecker } from '@agent-ticket/shared/test/openapi.ts';
import { createApp } from '../src/app.ts';
import { OPENAPI } from '../src/openapi/generated.ts';
import type { BrokerPorts } from '../src/runtime/ports.ts';

/** Throws where an answer of a broker is not one of the OpenAPI document. `path` as the broker has it. */
export const checkAnswer = answerChecker(OPENAPI);

/** A broker whose every answer is checked, also those to `app.request`. */
export function checkedApp(ports: BrokerPorts): ReturnType<typeof createApp> {
  const app = createApp(ports);
  const { fetch } = app;
  app.fetch = async (request, ...more) => {
    const answer = await fetch(request, ...more);
    const type = answer.headers.get('content-type');
    // The export of the log is read as it comes.
    if (request.method === 'HEAD' || type?.startsWith('application/x-ndjson')) return answer;
    const said = { status: answer.status, contentType: type, text: await answer.clone().text() };
    checkAnswer({ method: request.method, path: new URL(request.url).pathname }, said);
    return answer;
  };
  return app;
}
