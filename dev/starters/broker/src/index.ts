import { createBroker } from '@agent-ticket/broker';
import { AGENTS } from './agents';

const broker = createBroker({ agents: AGENTS });

export class MintShardObject extends broker.MintShardObject {}
export class Backlog extends broker.Backlog {}
export default broker.handler;
