import { hydrate } from 'svelte';
import Counter from './counter.svelte';

hydrate(Counter, { target: document.body.children[0], props: { options: window.options } });
