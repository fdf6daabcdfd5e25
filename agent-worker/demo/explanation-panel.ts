import { type Caller, describeRefusal, listOf, membersOf, type RequestBroker, textOr } from './broker.ts';
import { elementOf, make, setVisible } from './dom.ts';

/** The broker's answer to `POST /explain`. */
interface Explanation {
  readonly allowed: boolean;
  readonly role: string | undefined;
  readonly scope: string | undefined;
  readonly wouldClaim: boolean;
  /** Every rule up to the one that refused. */
  readonly rules: readonly { readonly rule: string; readonly holds: boolean }[];
  readonly grants: readonly string[];
}

interface DescribedExplanation extends Pick<Explanation, 'rules'> {
  /** Whether a ticket request would be granted. */
  readonly allowed: boolean;
  /** The decision in one or two sentences. */
  readonly decision: string;
  /** The grants behind the role. */
  readonly grants: string;
}

/** The broker's answer in words; `undefined` where it is not in the known form. */
export function describeExplanation(body: unknown): DescribedExplanation | undefined {
  const explanation = readExplanation(body);
  return (
    explanation && {
      allowed: explanation.allowed || explanation.wouldClaim,
      rules: explanation.rules,
      decision: describeDecision(explanation),
      grants: describeGrants(explanation),
    }
  );
}

function readExplanation(body: unknown): Explanation | undefined {
  const { allowed, role, scope, would_claim: wouldClaim, rules, grants } = membersOf(body);
  if (typeof allowed !== 'boolean') return undefined;
  return {
    allowed,
    role: textOr(role, undefined),
    scope: textOr(scope, undefined),
    wouldClaim: wouldClaim === true,
    rules: listOf(rules).map((each) => {
      const { rule, holds } = membersOf(each);
      return { rule: textOr(rule, '?'), holds: holds === true };
    }),
    grants: listOf(grants).map((each) => {
      const { role: given, instance, subject } = membersOf(each);
      return `${textOr(given, '?')} on instance ${textOr(instance, '?')}, given to ${textOr(subject, '?')}`;
    }),
  };
}

function describeDecision({ allowed, role, scope, wouldClaim, rules }: Explanation): string {
  if (allowed) return `Allowed, with the role ${role}. A ticket would carry: ${scope}.`;
  if (wouldClaim) return 'Nobody owns this instance yet. Asking for a ticket makes you its owner.';
  const broken = rules.find(({ holds }) => !holds);
  return broken === undefined ? 'Refused.' : `Refused, because this does not hold: ${broken.rule}.`;
}

function describeGrants({ grants, role }: Explanation): string {
  if (grants.length > 0) return `Grants that count: ${grants.join('; ')}.`;
  return role === undefined
    ? 'No grant names you here.'
    : `No grant names you here: the agent itself makes you ${role}.`;
}

interface DecisionRequest {
  readonly agent: string;
  readonly instance: string;
  readonly scope?: string;
}

interface ExplanationPanel {
  /** Requests the broker's decision on a ticket request, and shows it rule by rule. */
  explain(caller: Caller, body: DecisionRequest): Promise<void>;
  hide(): void;
}

export function createExplanationPanel(request: RequestBroker): ExplanationPanel {
  const box = elementOf(document, '#explanation', HTMLElement);
  const decision = elementOf(box, '#decision', HTMLElement);
  const rules = elementOf(box, '#rules', HTMLElement);
  const grants = elementOf(box, '#grants', HTMLElement);

  return {
    async explain(caller, { agent, instance, scope }) {
      const answer = await request(caller, 'POST', '/explain', {
        agent,
        instance,
        ...(scope === undefined ? {} : { scope }),
      });
      const explanation = answer.ok ? describeExplanation(answer.body) : undefined;
      setVisible(box, true);
      if (explanation === undefined) {
        decision.textContent = answer.ok
          ? 'The broker’s explanation is not in a form that this page knows.'
          : `The broker explains no further. ${describeRefusal(answer.refusal)}`;
        rules.replaceChildren();
        grants.textContent = '';
        return;
      }
      box.dataset.allowed = String(explanation.allowed);
      decision.textContent = explanation.decision;
      rules.replaceChildren(...explanation.rules.map(({ rule, holds }) => ruleElement(rule, holds)));
      grants.textContent = explanation.grants;
    },
    hide: () => setVisible(box, false),
  };
}

function ruleElement(rule: string, holds: boolean): HTMLElement {
  const mark = make('span', holds ? '✓' : '✗');
  mark.className = 'mark';
  mark.ariaHidden = 'true';
  const item = make('li', mark, make('span', rule, visuallyHidden(holds ? ': holds' : ': does not hold')));
  item.dataset.holds = String(holds);
  return item;
}

function visuallyHidden(text: string): HTMLElement {
  const element = make('span', text);
  element.className = 'visually-hidden';
  return element;
}
