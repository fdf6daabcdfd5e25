import type { Terminal } from '../src/command.ts';
import { terminalWith } from './terminal.ts';

interface Asked {
  readonly method: string;
  readonly url: URL;
  readonly body: unknown;
}

/** A terminal whose broker answers by a function, with what it was asked. */
export function terminalAt(
  answer: (asked: Asked) => Response | Promise<Response>,
  given: Partial<Terminal> = {},
) {
  const asked: Asked[] = [];
  const { terminal, said } = terminalWith({
    environment: {
      AGENT_TICKET_BROKER: 'https://broker.example.com',
      AGENT_TICKET_CLIENT_ID: 'svc_1',
      AGENT_TICKET_CLIENT_SECRET: 'atk_s3cret',
    },
    fetch: async (input, init) => {
      const request = new Request(input, init);
      const text = await request.text();
      const question = {
        ...{ method: request.method, url: new URL(request.url) },
        body: text === '' ? undefined : JSON.parse(text),
      };
      asked.push(question);
      return answer(question);
    },
    ...given,
  });
  return { terminal, said, asked };
}
