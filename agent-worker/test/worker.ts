/** The worker as it ships, and beside it what only tests have. */
export { Chat, Counter, default, Integrations, Lobby, McpAgent, RecorderObject } from '../src/index.ts';
export { ChatOverrider, Chatter } from './agents/chatter.ts';
export { Faulty } from './agents/faulty.ts';
export { Hooked } from './agents/hooked.ts';
export { Inner, Overrider } from './agents/overrider.ts';
export { Toolbox } from './agents/toolbox.ts';
export { Planless, Usurper } from './agents/usurper.ts';
export { Witness } from './agents/witness.ts';
export { Backlog, Broker } from './broker.ts';
