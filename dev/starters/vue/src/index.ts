import { Agent, callable, routeAgentRequest, type StreamingResponse } from 'agents';

export interface Talk {
  said: string[];
}

/** Says again what it hears, word by word. */
export class Parrot extends Agent<Env, Talk> {
  initialState: Talk = { said: [] };

  @callable({ streaming: true })
  async say(answer: StreamingResponse, text: string) {
    for (const word of text.split(' ')) {
      answer.send(word);
      await scheduler.wait(40);
    }
    this.setState({ said: [...this.state.said, text] });
    answer.end();
  }
}

export default {
  async fetch(request, env) {
    return (await routeAgentRequest(request, env)) ?? env.ASSETS.fetch(request);
  },
} satisfies ExportedHandler<Env>;
