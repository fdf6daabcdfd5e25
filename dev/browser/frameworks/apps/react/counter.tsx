import { type TicketProviderOptions, useTicketProvider } from '@agent-ticket/client/react';
import { useAgent } from 'agents/react';
import { StrictMode, Suspense, useState } from 'react';

interface CounterProps {
  readonly options: TicketProviderOptions;
}

function Counter({ options }: CounterProps) {
  const ticket = useTicketProvider(options);
  const [count, setCount] = useState<number>();
  const agent = useAgent<{ count: number }>({
    ...ticket.agentOptions(),
    onStateUpdate: (state) => setCount(state.count),
  });
  return (
    <main>
      <h1>First</h1>
      <output>{ticket.refusal?.code ?? count ?? 'connecting'}</output>
      <button type="button" onClick={() => void agent.call('increment')}>
        Increment
      </button>
    </main>
  );
}

export const App = (props: CounterProps) => (
  <StrictMode>
    <Suspense fallback={<output>waiting</output>}>
      <Counter {...props} />
    </Suspense>
  </StrictMode>
);
