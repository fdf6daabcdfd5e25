/** How the blocks of a language are checked. A language that is not here is a fault: nobody knows what it would prove. */
export type Way = 'types' | 'json' | 'shell' | 'python' | 'none';

export const LANGUAGES: Readonly<Record<string, Way>> = {
  ts: 'types',
  tsx: 'types',
  js: 'types',
  json: 'json',
  jsonc: 'json',
  sh: 'shell',
  bash: 'shell',
  python: 'python',
  // Not code: what goes over a wire, what changes, pictures.
  text: 'none',
  http: 'none',
  diff: 'none',
  mermaid: 'none',
};
