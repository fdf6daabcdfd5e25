import { createBroker } from '@agent-ticket/broker/src/open-broker.ts';
import { AGENTS } from '../../agents.ts';

const broker = createBroker({ agents: AGENTS });

export class MintShardObject extends broker.MintShardObject {}
export class Backlog extends broker.Backlog {}

export default broker.handler;
