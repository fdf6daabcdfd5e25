import { render } from 'preact';
import { App } from './app.tsx';

const root = document.getElementById('root');
if (root === null) throw new TypeError('the page has no root');
render(<App />, root);
