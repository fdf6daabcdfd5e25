import type { UIMessage } from 'ai';
import * as z from 'zod';
import { type FrameMembers, frameMembers } from '../../ticketed/frames.ts';

/** Everything that keeps a confirmed tool from running without its confirmation: the record, and the reading of frames. */

/** The tools that do nothing before a person has agreed. */
const CONFIRMED_TOOLS = ['save_note'] as const;
export type ConfirmedTool = (typeof CONFIRMED_TOOLS)[number];

/** A call that needs a confirmation: the tool, and its exact input. */
export interface ConfirmedCall {
  readonly callId: string;
  readonly tool: string;
  /** The validated input as JSON. */
  readonly input: string;
}

/** Why an answer to a question is refused. */
type AnswerRefusal = 'approval_unasked' | 'approval_repeated' | 'approval_lapsed';

/** A person may have forgotten an older question. */
const QUESTION_VALID_MS = 3600_000;
/** The call follows its approval at once; after a crash in between, the person is asked again. */
const APPROVAL_VALID_MS = 5 * 60_000;
/** Until then a late answer is refused with its exact reason. */
const ROWS_KEPT_MS = 24 * 3600_000;

/**
 * The questions to a person and their answers: the object's own record, which no frame writes. A transcript proves
 * nothing, since clients send it.
 *
 * asked → approved → ran, or asked → refused, or asked → lapsed. Synchronous throughout, so nothing runs between a
 * check and its consequence. Times in ms.
 */
export function createConfirmations(sql: SqlStorage) {
  sql.exec(`CREATE TABLE IF NOT EXISTS chat_confirmations (
    call_id TEXT PRIMARY KEY,
    tool TEXT NOT NULL,
    input TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('asked', 'approved', 'refused', 'lapsed', 'ran')),
    asked_at INTEGER NOT NULL,
    answered_at INTEGER,
    answered_by TEXT
  ) STRICT`);

  return {
    /**
     * Records a question. `false` when a call with this id is on record already, unless it is the same call and its
     * approval is still unused: an id that a model assigns twice never inherits an answer.
     */
    ask({ callId, tool, input }: ConfirmedCall, now: number): boolean {
      const asked = sql.exec(
        `INSERT INTO chat_confirmations (call_id, tool, input, state, asked_at) VALUES (?, ?, ?, 'asked', ?)
         ON CONFLICT DO NOTHING RETURNING call_id`,
        callId,
        tool,
        input,
        now,
      );
      if (asked.toArray().length === 1) return true;
      const same = sql.exec(
        "SELECT 1 FROM chat_confirmations WHERE call_id = ? AND tool = ? AND input = ? AND state = 'approved'",
        callId,
        tool,
        input,
      );
      return same.toArray().length === 1;
    },

    /** Accepts the first answer to a question; returns why an answer is refused. */
    answer(callId: string, approved: boolean, by: string, now: number): AnswerRefusal | undefined {
      const answered = sql.exec(
        `UPDATE chat_confirmations SET state = ?, answered_at = ?, answered_by = ?
         WHERE call_id = ? AND state = 'asked' AND asked_at > ? RETURNING call_id`,
        approved ? 'approved' : 'refused',
        now,
        by,
        callId,
        now - QUESTION_VALID_MS,
      );
      if (answered.toArray().length === 1) return undefined;
      const [row] = sql
        .exec<{ state: string }>('SELECT state FROM chat_confirmations WHERE call_id = ?', callId)
        .toArray();
      if (row === undefined) return 'approval_unasked';
      return row.state === 'asked' || row.state === 'lapsed' ? 'approval_lapsed' : 'approval_repeated';
    },

    /** Consumes the approval of exactly this call: `true` once, and only soon after the approval. */
    consume({ callId, tool, input }: ConfirmedCall, now: number): boolean {
      const consumed = sql.exec(
        `UPDATE chat_confirmations SET state = 'ran'
         WHERE call_id = ? AND tool = ? AND input = ? AND state = 'approved' AND answered_at > ? RETURNING call_id`,
        callId,
        tool,
        input,
        now - APPROVAL_VALID_MS,
      );
      return consumed.toArray().length === 1;
    },

    /** The conversation continued: open questions lapse. */
    lapse(now: number): void {
      sql.exec("UPDATE chat_confirmations SET state = 'lapsed' WHERE state = 'asked'");
      sql.exec('DELETE FROM chat_confirmations WHERE asked_at < ?', now - ROWS_KEPT_MS);
    },

    /** Whether somebody approved this call, before or after it ran. */
    isApproved: (callId: string): boolean =>
      sql
        .exec("SELECT 1 FROM chat_confirmations WHERE call_id = ? AND state IN ('approved', 'ran')", callId)
        .toArray().length === 1,
  };
}
export type Confirmations = ReturnType<typeof createConfirmations>;

/** What to do with a frame of the chat protocol before the SDK's chat handles it. */
type FrameDecision =
  /** Clears the conversation, open questions included. */
  | { readonly kind: 'clear' }
  /** Not of this protocol, or harmless in it: passed on unchanged. */
  | { readonly kind: 'other' }
  /** A question: `frame` replaces the frame of the client. */
  | { readonly kind: 'ask'; readonly frame: string; readonly forged: readonly string[] }
  /** An answer to a question of the agent. */
  | { readonly kind: 'answer'; readonly callId: string; readonly approved: boolean; readonly frame: string }
  /** Not passed on. `requestId`: a client waits for the end of this request. */
  | {
      readonly kind: 'drop';
      readonly code: 'tool_result_forged' | 'transcript_forged' | 'approval_malformed' | undefined;
      readonly calls: readonly string[];
      readonly requestId?: string;
      readonly message?: string;
    };

/** The object's own state, which no frame writes directly. */
interface OwnState {
  /** The transcript that the object stores. */
  readonly messages: readonly UIMessage[];
  /** Whether somebody approved a call, by the object's record. */
  readonly isApproved: (callId: string) => boolean;
}

/** A longer question is refused; the stored transcript is bounded separately. */
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
 * Reads one frame. The transcript is the object's: of all the messages that a client sends, only the text of its new
 * question is used. `forged` lists the confirmed calls that the client shows as approved or done and the record does not.
 */
export function readFrame(message: unknown, own: OwnState): FrameDecision {
  const frame = typeof message === 'string' ? frameMembers(message) : undefined;
  switch (frame?.type) {
    case 'cf_agent_use_chat_request':
      return readQuestion(frame, own);
    case 'cf_agent_chat_clear':
      return { kind: 'clear' };
    case 'cf_agent_chat_messages':
      return { kind: 'drop', code: 'transcript_forged', calls: claimedCalls(frame.messages, own) };
    case 'cf_agent_tool_result':
      // All tools run here, so a result from a client is forged.
      return { kind: 'drop', code: 'tool_result_forged', calls: [String(frame.toolCallId)] };
    case 'cf_agent_tool_approval':
      return readAnswer(frame);
    default:
      return { kind: 'other' };
  }
}

function readAnswer(frame: FrameMembers): FrameDecision {
  const read = Answer.safeParse(frame);
  if (!read.success) return { kind: 'drop', code: 'approval_malformed', calls: [String(frame.toolCallId)] };
  const { toolCallId, approved } = read.data;
  const rest = { type: frame.type, toolCallId, approved, autoContinue: true };
  return { kind: 'answer', callId: toolCallId, approved, frame: JSON.stringify(rest) };
}

function readQuestion(frame: FrameMembers, own: OwnState): FrameDecision {
  const ask = Ask.safeParse(frame);
  if (!ask.success) return { kind: 'drop', code: undefined, calls: [] };
  const { id, init } = ask.data;
  const body = Body.safeParse(frameMembers(init.body));
  const forged = claimedCalls(body.data?.messages, own);
  const drop = (reason: string): FrameDecision => ({
    kind: 'drop',
    code: 'transcript_forged',
    calls: forged,
    requestId: id,
    message: reason,
  });
  if (!body.success) return drop('the question is not well-formed');
  const { messages: sent, trigger } = body.data;
  const regenerate = trigger === 'regenerate-message';
  const question = regenerate ? undefined : newQuestion(sent.at(-1), own);
  if (question === 'too long') return drop('the question is too long');
  if (!regenerate && question === undefined) return drop('there is no question');
  const kept = regenerate
    ? own.messages.slice(0, own.messages.findLastIndex(({ role }) => role === 'user') + 1)
    : own.messages;
  if (regenerate && kept.length === 0) return drop('there is no question');
  const messages = [...kept.map(withoutOpenQuestions), ...(question === undefined ? [] : [question])];
  const inner = JSON.stringify({ messages, trigger: regenerate ? 'regenerate-message' : 'submit-message' });
  const passed = { type: frame.type, id, init: { method: 'POST', body: inner } };
  return { kind: 'ask', frame: JSON.stringify(passed), forged };
}

/** The text of a new message, in a message that is built here. */
function newQuestion(last: unknown, own: OwnState): UIMessage | 'too long' | undefined {
  const read = Question.safeParse(last);
  if (!read.success || own.messages.some(({ id }) => id === read.data.id)) return undefined;
  const text = read.data.parts
    .map((part) => (part.type === 'text' ? (part.text ?? '') : ''))
    .join('')
    .trim();
  if (text.length > QUESTION_MAX_CHARACTERS) return 'too long';
  return text === '' ? undefined : { id: read.data.id, role: 'user', parts: [{ type: 'text', text }] };
}

/** The conversation continues after an open question of the agent: the question counts as refused, for the model too. */
function withoutOpenQuestions(message: UIMessage): UIMessage {
  if (!message.parts.some((part) => 'state' in part && part.state === 'approval-requested')) return message;
  const parts = message.parts.map((part) => {
    if (!('state' in part) || part.state !== 'approval-requested') return part;
    return { ...part, state: 'output-denied', approval: { ...part.approval, approved: false } } as const;
  });
  return { ...message, parts };
}

/** Confirmed calls that the client's messages show as approved or done, and the record does not. */
function claimedCalls(messages: unknown, own: OwnState): string[] {
  const all = Messages.safeParse(messages);
  const claimed = (all.data ?? []).flatMap((message) => {
    const read = Parts.safeParse(message);
    return read.success ? read.data.parts.filter(claimsToHaveRun) : [];
  });
  const calls = claimed.map((part) => ToolPart.parse(part).toolCallId);
  return [...new Set(calls)].filter((callId) => !own.isApproved(callId) && !isSettled(callId, own));
}

function claimsToHaveRun(part: unknown): boolean {
  const read = ToolPart.safeParse(part);
  if (!read.success) return false;
  const { type, toolName, state } = read.data;
  const name = type === 'dynamic-tool' ? toolName : type.replace(/^tool-/, '');
  if (!CONFIRMED_TOOLS.some((confirmed) => confirmed === name)) return false;
  return state === 'output-available' || Approval.safeParse(part).success;
}

/** Old calls are deleted from the record of confirmations, not from the transcript. */
const isSettled = (callId: string, { messages }: OwnState): boolean =>
  messages.some(({ parts }) =>
    parts.some(
      (part) => 'toolCallId' in part && part.toolCallId === callId && part.state === 'output-available',
    ),
  );
