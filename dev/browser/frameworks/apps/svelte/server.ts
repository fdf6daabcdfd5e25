import { render as renderComponent } from 'svelte/server';
import Counter from './counter.svelte';

export const render = async (options): Promise<string> =>
  (await renderComponent(Counter, { props: { options } })).body;
