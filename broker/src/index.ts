import { AGENTS } from '../../agents.ts';
import { createBroker } from './open-broker.ts';

/** The broker of this repository's example agents. An adopter's own entry file has the same lines. */
const broker = createBroker({ agents: AGENTS });

export class MintShardObject extends broker.MintShardObject {}
export class Backlog extends broker.Backlog {}

export default broker.handler;
