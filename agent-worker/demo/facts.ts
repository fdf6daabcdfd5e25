/** `/demo.json`, the configuration of the page. Public: it needs no credential. */
export interface DemoFacts {
  /** Base address of the broker; `<broker>/tickets` mints. */
  readonly broker: string;
  /** Address of the stand-in for Access, where Access is not in front of the broker. */
  readonly accessUrl?: string;
  /** Address of an MCP server for trying, where there is one. */
  readonly mcpServer?: string;
  /** Agents with a page of their own, at a path of the same name. */
  readonly pages: readonly ('chat' | 'integrations')[];
  /** Enabled agents with sockets, without those that only some principals may see. */
  readonly agents: readonly DemoAgent[];
}

export interface DemoAgent {
  readonly slug: string;
  readonly displayName: string;
  readonly description: string;
  /** `public`: a ticket needs no credential. */
  readonly access: 'public' | 'viewer' | 'first-user';
  /** The only instances there are; empty: any name. */
  readonly instances: readonly string[];
}

/** Rejects where the worker that served the page does not answer. */
export async function readFacts(): Promise<DemoFacts> {
  const answer = await fetch('/demo.json');
  if (!answer.ok) throw new Error(`/demo.json answered ${answer.status}`);
  return answer.json();
}
