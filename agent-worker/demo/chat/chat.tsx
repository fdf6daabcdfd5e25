import { showOwnPage } from '../own-page.tsx';
import { Conversation } from './conversation.tsx';

await showOwnPage({
  title: 'Chat',
  agent: 'chat',
  path: '/chat',
  parameter: 'chat',
  noun: 'chat',
  about: 'It tells the time and the weather, and keeps notes when you say yes. Nobody else can read it.',
  view: Conversation,
});
