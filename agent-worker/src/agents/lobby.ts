import { Agent } from 'agents';
import { ticketed } from '../ticketed.ts';

interface LobbyState {
  title: string;
  notices: string[];
}

/** A public board. Anonymous callers read it; nobody writes through a socket without a scope for it. */
export class Lobby extends ticketed(Agent<Cloudflare.Env, LobbyState>) {
  override initialState: LobbyState = {
    title: 'Lobby',
    notices: ['Anyone may read this board, and nobody was asked for a name.'],
  };
}
