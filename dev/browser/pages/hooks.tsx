import type { TicketProvider } from '@agent-ticket/client';
import { useAgent } from 'agents/react';
import { type ComponentProps, Fragment, StrictMode, Suspense, useSyncExternalStore } from 'react';

/** The options that an app passes to the hook. */
export type HookOptions = Parameters<typeof useAgent>[0];
export type HookAgent = ReturnType<typeof useAgent<unknown>>;

export interface Hook {
  /** Names its line on the page. */
  readonly name: string;
  /** Options for the hook, read in each render. */
  readonly options: () => HookOptions;
  readonly ticket?: TicketProvider;
}

export interface HooksProps {
  readonly hooks: readonly Hook[];
  readonly strict?: boolean;
  /** Receives the result of the hook in each render. */
  readonly onAgent?: (name: string, agent: HookAgent) => void;
}

/** One line for each hook: `waiting` (suspended), `connecting`, `open`, or `ended <code> <reason>`. */
export function Hooks({ hooks, strict = false, onAgent }: HooksProps) {
  const Mode = strict ? StrictMode : Fragment;
  return (
    <Mode>
      {hooks.map((hook) => (
        <Suspense key={hook.name} fallback={<Line name={hook.name}>waiting</Line>}>
          <One hook={hook} onAgent={onAgent} />
        </Suspense>
      ))}
    </Mode>
  );
}

function One({ hook, onAgent }: { readonly hook: Hook; readonly onAgent: HooksProps['onAgent'] }) {
  const agent = useAgent(hook.options());
  onAgent?.(hook.name, agent);
  const { ticket } = hook;
  const refusal = useSyncExternalStore(
    ticket?.subscribe ?? never,
    () => ticket?.refusal,
    () => undefined,
  );
  const error = agent.connectionError;
  const state = error ? `ended ${error.code} ${error.reason}` : agent.identified ? 'open' : 'connecting';
  return (
    <Line name={hook.name} title={refusal?.name}>
      {state}
    </Line>
  );
}

const Line = ({ name, ...rest }: ComponentProps<'p'> & { readonly name: string }) => (
  <p id={name} {...rest} />
);

const never = () => () => {};
