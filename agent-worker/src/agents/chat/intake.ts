import type { UIMessage } from 'ai';
import * as z from 'zod';
import { type FrameMembers, frameMembers } from '../../ticketed/frames.ts';
import { CONFIRMED_TOOLS } from './tools.ts';

/** What a frame of the chat protocol comes to, before the SDK's chat hears it. */
export type Heard =
  /** The end of the conversation so far, open questions included. */
  | { readonly kind: 'clear' }
  /** Not of this protocol, or harmless in it: as it came. */
  | { readonly kind: 'other' }
  /** A question: what the SDK is to be told instead of what the client sent. */
  | { readonly kind: 'ask'; readonly frame: string; readonly forged: readonly string[] }
  /** An answer to a question of ours. */
  | { readonly kind: 'answer'; readonly callId: string; readonly approved: boolean; readonly frame: string }
  /** Not passed on. `requestId`: a client waits for the end of this request. */
  | {
      readonly kind: 'drop';
      readonly code: 'tool_result_forged' | 'transcript_forged' | 'approval_malformed' | undefined;
      readonly calls: readonly string[];
      readonly requestId?: string;
      readonly say?: string;
    };

/** What the object knows by itself. */
export interface Known {
  /** The transcript, as the object keeps it. */
  readonly messages: readonly UIMessage[];
  /** Whether somebody approved a call, by the object's record. */
  readonly isApproved: (callId: string) => boolean;
}

/** A question longer than this is refused; what it may bring in is bounded with the transcript. */
const QUESTION_MAX_CHARACTERS = 4_000;

const Id = z.string().min(1).max(128);
const Messages = z.array(z.unknown()).max(10_000);
const Ask = z.object({ id: Id, init: z.object({ method: z.literal('POST'), body: z.string() }) });
const Body = z.object({ messages: Messages.min(1), trigger: z.string().optional() });
const Question = z.object({
  id: Id,
  role: z.literal('user'),
  parts: z.array(z.object({ type: z.string(), text: z.string().optional() })).min(1),
});
const Answer = z.object({ toolCallId: Id, approved: z.boolean() });
const ToolPart = z.object({
  type: z.string(),
  toolName: z.string().optional(),
  toolCallId: z.string(),
  state: z.string(),
});
const Parts = z.object({ role: z.literal('assistant'), parts: z.array(z.unknown()) });
const Approval = z.object({ approval: z.object({ approved: z.literal(true) }) });

/**
 * Reads one frame. The transcript is the object's: of all the messages that a client sends along, only its new
 * question is taken, and of that only the text. A client that claims a confirmed call, or the result of one, which
 * the record does not have is named for it in `forged`.
 */
export function hear(message: unknown, known: Known): Heard {
  const frame = typeof message === 'string' ? frameMembers(message) : undefined;
  switch (frame?.type) {
    case 'cf_agent_use_chat_request':
      return hearQuestion(frame, known);
    case 'cf_agent_chat_clear':
      return { kind: 'clear' };
    case 'cf_agent_chat_messages':
      return { kind: 'drop', code: 'transcript_forged', calls: claimedCalls(frame.messages, known) };
    case 'cf_agent_tool_result':
      // All tools run here: whoever sends a result made it up.
      return { kind: 'drop', code: 'tool_result_forged', calls: [String(frame.toolCallId)] };
    case 'cf_agent_tool_approval':
      return hearAnswer(frame);
    default:
      return { kind: 'other' };
  }
}

function hearAnswer(frame: FrameMembers): Heard {
  const read = Answer.safeParse(frame);
  if (!read.success) return { kind: 'drop', code: 'approval_malformed', calls: [String(frame.toolCallId)] };
  const { toolCallId, approved } = read.data;
  const rest = { type: frame.type, toolCallId, approved, autoContinue: true };
  return { kind: 'answer', callId: toolCallId, approved, frame: JSON.stringify(rest) };
}

function hearQuestion(frame: FrameMembers, known: Known): Heard {
  const ask = Ask.safeParse(frame);
  if (!ask.success) return { kind: 'drop', code: undefined, calls: [] };
  const { id, init } = ask.data;
  const body = Body.safeParse(frameMembers(init.body));
  const forged = claimedCalls(body.data?.messages, known);
  const drop = (say: string): Heard => ({
    kind: 'drop',
    code: 'transcript_forged',
    calls: forged,
    requestId: id,
    say,
  });
  if (!body.success) return drop('the question is not well-formed');
  const { messages: sent, trigger } = body.data;
  const again = trigger === 'regenerate-message';
  const question = again ? undefined : newQuestion(sent.at(-1), known);
  if (question === 'too long') return drop('the question is too long');
  if (!again && question === undefined) return drop('there is no question');
  const kept = again
    ? known.messages.slice(0, known.messages.findLastIndex(({ role }) => role === 'user') + 1)
    : known.messages;
  if (again && kept.length === 0) return drop('there is no question');
  const messages = [...kept.map(withoutOpenQuestions), ...(question === undefined ? [] : [question])];
  const inner = JSON.stringify({ messages, trigger: again ? 'regenerate-message' : 'submit-message' });
  const passed = { type: frame.type, id, init: { method: 'POST', body: inner } };
  return { kind: 'ask', frame: JSON.stringify(passed), forged };
}

/** The text of a message that is new, in a message of ours. */
function newQuestion(last: unknown, known: Known): UIMessage | 'too long' | undefined {
  const read = Question.safeParse(last);
  if (!read.success || known.messages.some(({ id }) => id === read.data.id)) return undefined;
  const text = read.data.parts
    .map((part) => (part.type === 'text' ? (part.text ?? '') : ''))
    .join('')
    .trim();
  if (text.length > QUESTION_MAX_CHARACTERS) return 'too long';
  return text === '' ? undefined : { id: read.data.id, role: 'user', parts: [{ type: 'text', text }] };
}

/** The conversation goes on past a question of ours: it counts as refused, for the model too. */
function withoutOpenQuestions(message: UIMessage): UIMessage {
  if (!message.parts.some((part) => 'state' in part && part.state === 'approval-requested')) return message;
  const parts = message.parts.map((part) => {
    if (!('state' in part) || part.state !== 'approval-requested') return part;
    return { ...part, state: 'output-denied', approval: { ...part.approval, approved: false } } as const;
  });
  return { ...message, parts };
}

/** Confirmed calls that the client's messages show as approved or done, and the record does not. */
function claimedCalls(messages: unknown, known: Known): string[] {
  const all = Messages.safeParse(messages);
  const claimed = (all.data ?? []).flatMap((message) => {
    const read = Parts.safeParse(message);
    return read.success ? read.data.parts.filter(claimsToHaveRun) : [];
  });
  const calls = claimed.map((part) => ToolPart.parse(part).toolCallId);
  return [...new Set(calls)].filter((callId) => !known.isApproved(callId) && !isSettled(callId, known));
}

function claimsToHaveRun(part: unknown): boolean {
  const read = ToolPart.safeParse(part);
  if (!read.success) return false;
  const { type, toolName, state } = read.data;
  const name = type === 'dynamic-tool' ? toolName : type.replace(/^tool-/, '');
  if (!CONFIRMED_TOOLS.some((confirmed) => confirmed === name)) return false;
  return state === 'output-available' || Approval.safeParse(part).success;
}

/** Old calls leave the record of confirmations, not the transcript. */
const isSettled = (callId: string, { messages }: Known): boolean =>
  messages.some(({ parts }) =>
    parts.some(
      (part) => 'toolCallId' in part && part.toolCallId === callId && part.state === 'output-available',
    ),
  );
