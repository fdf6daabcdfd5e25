import { formatScope } from '@agent-ticket/shared/scope.ts';
import { Agent, callable } from 'agents';
import { ticketed } from '../ticketed.ts';

interface CounterState {
  count: number;
}

/** A shared number. Every signed-in principal may watch; only some roles may change it. */
export class Counter extends ticketed(Agent<Cloudflare.Env, CounterState>) {
  override initialState: CounterState = { count: 0 };

  @callable()
  increment(): number {
    this.setState({ count: this.state.count + 1 });
    return this.state.count;
  }

  @callable()
  reset(): number {
    this.setState({ count: 0 });
    return this.state.count;
  }

  @callable()
  whoami(): { principal: string; role: string; scope: string; session: string | undefined } {
    const { principal, role, scope, session } = this.principal();
    return { principal, role, scope: formatScope(scope), session };
  }
}
