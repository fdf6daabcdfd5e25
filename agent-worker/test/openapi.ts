import { parseJson } from '@agent-ticket/shared/parse-json.ts';
import { answerChecker } from '@agent-ticket/shared/test/openapi.ts';
import OPENAPI from '../openapi.json' with { type: 'json' };
import { routeAt } from '../src/routes.ts';

/** What answers a request: the worker as it ships, unless a test composes another gate. */
export type Front = (request: Request) => Promise<Response>;

/** Throws where an answer of the gate is not one of the OpenAPI document. */
export const checkAnswer = answerChecker(JSON.stringify(OPENAPI));

/** A refusal of the gate or the object. Errors of an agent's own protocol, as MCP has them, have numbers. */
const isRefusal = (text: string): boolean => typeof Object(Object(parseJson(text)).error).code === 'string';

/** What answers, with each answer checked. An agent's own answers may be any. */
export const checked =
  (front: Front): Front =>
  async (request) => {
    const { method } = request;
    const path = new URL(request.url).pathname;
    const answer = await front(request);
    const { status } = answer;
    // An upgrade is a GET (RFC 6455 §4.1), and one that is not is closed as well.
    if (method === 'HEAD' || (status === 101 && method !== 'GET')) return answer;
    const contentType = answer.headers.get('content-type');
    const isRead = status >= 400 || contentType === 'application/json';
    const text = isRead && answer.webSocket === null ? await answer.clone().text() : '';
    if (routeAt(path) === 'agent' && status >= 400 && !isRefusal(text)) return answer;
    checkAnswer({ method, path }, { status, contentType, text });
    return answer;
  };
