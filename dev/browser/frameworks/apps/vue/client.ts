import { createSSRApp } from 'vue';
import Counter from './counter-page.vue';

createSSRApp(Counter, { options: window.options }).mount('#root');
