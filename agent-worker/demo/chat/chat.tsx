import './no-eval.ts';
import { createTicketProvider } from '@agent-ticket/shared/client/provider.ts';
import { createRoot } from 'react-dom/client';
import { readFacts } from '../facts.ts';
import { App } from './app.tsx';
import { chatName } from './chat-name.ts';

const root = document.querySelector('#root');
if (root === null) throw new Error('the page has no #root');
const name = chatName(location, history, () => crypto.randomUUID());
const { broker } = await readFacts();
const ticket = createTicketProvider({
  broker,
  host: location.origin,
  agent: 'chat',
  instance: name,
  credential: { kind: 'session' },
});
createRoot(root).render(<App ticket={ticket} broker={broker} />);
