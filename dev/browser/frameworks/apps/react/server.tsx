import { text } from 'node:stream/consumers';
import { prerenderToNodeStream } from 'react-dom/static';
import { App } from './counter.tsx';

export const render = async (options): Promise<string> =>
  text((await prerenderToNodeStream(<App options={options} />)).prelude);
