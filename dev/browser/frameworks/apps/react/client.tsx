import { hydrateRoot } from 'react-dom/client';
import { App } from './counter.tsx';

hydrateRoot(document.body.children[0], <App options={window.options} />);
