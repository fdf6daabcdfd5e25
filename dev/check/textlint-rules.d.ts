/** The rules of textlint that `prose.ts` uses have no types. Node takes what a CommonJS module exports as the default. */
declare module 'textlint-rule-*' {
  import type { TextlintRuleModule } from '@textlint/kernel';

  const exported: { readonly default: TextlintRuleModule };
  export default exported;
}
