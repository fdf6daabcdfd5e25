import { createSSRApp } from 'vue';
import { renderToString } from 'vue/server-renderer';
import Counter from './counter-page.vue';

export const render = (options): Promise<string> => renderToString(createSSRApp(Counter, { options }));
