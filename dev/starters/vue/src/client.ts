import { AgentClient } from 'agents/client';
import { createApp, h, onScopeDispose, ref } from 'vue';
import type { Talk } from './index';

const name = new URLSearchParams(location.search).get('name') ?? 'default';

/** The parrot of this page, and what it said. */
function useParrot() {
  const said = ref<readonly string[]>([]);
  const words = ref<readonly unknown[]>([]);
  const onStateUpdate = (state: Talk) => {
    said.value = state.said;
  };
  const agent = new AgentClient<Talk>({ agent: 'parrot', name, host: location.host, onStateUpdate });
  onScopeDispose(() => agent.close());
  const say = async (text: string) => {
    words.value = [];
    const onChunk = (word: unknown) => {
      words.value = [...words.value, word];
    };
    await agent.call('say', [text], { onChunk });
  };
  return { said, words, say };
}

createApp({
  setup() {
    const { said, words, say } = useParrot();
    const text = ref('');
    const onInput = ({ target }: Event) => {
      if (target instanceof HTMLInputElement) text.value = target.value;
    };
    const onSubmit = (event: Event) => {
      event.preventDefault();
      void say(text.value);
    };
    return () =>
      h('main', [
        h('output', { id: 'words' }, words.value.join('-')),
        h('form', { onSubmit }, [h('input', { 'aria-label': 'Message', onInput })]),
        h(
          'ol',
          { id: 'said' },
          said.value.map((line) => h('li', line)),
        ),
      ]);
  },
}).mount('#root');
