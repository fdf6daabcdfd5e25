import { mount } from 'svelte';
import Counter from './counter.svelte';

/** A page of Svelte: one component with the entry of the client for it. */

const target = document.getElementById('root');
if (target !== null) mount(Counter, { target });
