import type { LanguageModel } from 'ai';
import { createWorkersAI } from 'workers-ai-provider';
import { createRuleModel, type RuleModelPorts } from './rule-model.ts';

/** Follows instructions and calls tools; the example needs no more. */
const WORKERS_AI_MODEL = '@cf/meta/llama-3.3-70b-instruct-fp8-fast';

/** Workers AI where the Worker has a binding `AI`, otherwise the rules. */
export const chooseModel = (ai: Ai | undefined, ports: RuleModelPorts): LanguageModel =>
  ai === undefined ? createRuleModel(ports) : createWorkersAI({ binding: ai })(WORKERS_AI_MODEL);
