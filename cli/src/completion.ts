import { allOf, type CommandNode } from './command-tree.ts';

export const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;
type Shell = (typeof SHELLS)[number];

/** A script by which a shell completes the commands and options of the tree. It calls nothing when it completes. */
export function completionScript(shell: Shell, program: CommandNode): string {
  const nodes = allOf(program);
  switch (shell) {
    case 'bash':
      return bash(nodes);
    case 'zsh':
      return zsh(nodes);
    case 'fish':
      return fish(nodes);
    case 'powershell':
      return powershell(nodes);
  }
}

/** Words that may follow those of a command: commands of a group, and options. */
const following = ({ children, options }: CommandNode) => [
  ...children.map(({ words, about }) => ({ word: words.split(' ').at(-1) ?? words, about })),
  ...options.map(({ long, about }) => ({ word: long, about })),
  { word: '--help', about: 'how the command is used' },
];

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
const paths = (nodes: readonly CommandNode[]): readonly string[] =>
  nodes.map(({ words }) => words).filter((words) => words !== '');

/** Of the words before the cursor those that name a command; other words are its arguments. */
const known = (nodes: readonly CommandNode[], between: string): string =>
  paths(nodes)
    .map((words) => quoted(` ${words}`))
    .join(between);

/** Each option that takes a value, with its choices. Without choices the shell offers files. */
const valuesOf = (nodes: readonly CommandNode[]) =>
  nodes.flatMap(({ words, options }) =>
    options
      .filter(({ takesValue }) => takesValue)
      .map(({ long, choices }) => ({ at: quoted(`${words && ` ${words}`} ${long}`), choices })),
  );

/** Cases of a shell by the values that they offer, written by `of`. */
function valueCases(
  nodes: readonly CommandNode[],
  of: (at: string, choices: readonly string[]) => string,
): string {
  const values = valuesOf(nodes);
  const free = values.filter(({ choices }) => choices.length === 0).map(({ at }) => at);
  return [
    ...values.filter(({ choices }) => choices.length > 0).map(({ at, choices }) => of(at, choices)),
    of(free.join('|'), []),
  ].join('\n');
}

const bash = (nodes: readonly CommandNode[]): string => `# agent-ticket completion bash >> ~/.bashrc
_agent_ticket() {
  local at='' words='' word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$at $word" in
      ${known(nodes, '|')}) at="$at $word" ;;
    esac
  done
  case "$at" in
${nodes.map((node) => `    ${quoted(node.words && ` ${node.words}`)}) words=${quoted(wordsOf(node))} ;;`).join('\n')}
  esac
  case "$at \${COMP_WORDS[COMP_CWORD - 1]}" in
${valueCases(nodes, (at, choices) => `    ${at}) words=${quoted(choices.join(' '))} ;;`)}
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _agent_ticket agent-ticket
`;

const wordsOf = (node: CommandNode): string =>
  following(node)
    .map(({ word }) => word)
    .join(' ');

const zsh = (nodes: readonly CommandNode[]): string => `#compdef agent-ticket
# agent-ticket completion zsh >> ~/.zshrc, after compinit
_agent_ticket() {
  local at='' word
  local -a found
  for word in "\${(@)words[2,CURRENT-1]}"; do
    case "$at $word" in
      (${known(nodes, '|')}) at="$at $word" ;;
    esac
  done
  case "$at" in
${nodes.map((node) => `    (${quoted(node.words && ` ${node.words}`)}) found=(${following(node).map(described).join(' ')}) ;;`).join('\n')}
  esac
  case "$at \${words[CURRENT-1]}" in
${valueCases(nodes, (at, choices) => `    (${at}) found=(${choices.map(quoted).join(' ')}) ;;`)}
  esac
  _describe -V agent-ticket found || _files
}
compdef _agent_ticket agent-ticket
`;

const described = ({ word, about }: { readonly word: string; readonly about: string }): string =>
  quoted(`${word}:${about}`);

const fish = (
  nodes: readonly CommandNode[],
): string => `# agent-ticket completion fish > ~/.config/fish/completions/agent-ticket.fish
function __agent_ticket_at
  set -l at ''
  for word in (commandline -opc)[2..-1]
    switch "$at $word"
      case ${known(nodes, ' ')}
        set at "$at $word"
    end
  end
  test "$at" = "$argv[1]"
end
${nodes.flatMap(fishLines).join('\n')}
`;

function fishLines({ words, children, options }: CommandNode): string[] {
  const when = `complete -c agent-ticket -n ${fishQuoted(`__agent_ticket_at ${fishQuoted(words && ` ${words}`)}`)}`;
  return [
    ...children.map(
      (child) => `${when} -f -a ${child.words.split(' ').at(-1)} -d ${fishQuoted(child.about)}`,
    ),
    ...options.map(
      ({ long, about, takesValue, choices }) =>
        `${when} -l ${long.slice(2)}${takesValue ? ' -r' : ''}${choices.length > 0 ? ` -f -a ${fishQuoted(choices.join(' '))}` : ''} -d ${fishQuoted(about)}`,
    ),
  ];
}

const fishQuoted = (text: string): string => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;

const powershell = (
  nodes: readonly CommandNode[],
): string => `# agent-ticket completion powershell >> $PROFILE
Register-ArgumentCompleter -Native -CommandName agent-ticket -ScriptBlock {
  param($wordToComplete, $commandAst, $cursorPosition)
  $known = @{
${nodes
  .map(
    (node) =>
      `    ${psQuoted(node.words)} = @(${following(node)
        .map(({ word }) => psQuoted(word))
        .join(', ')})`,
  )
  .join('\n')}
  }
  $at = ''
  $before = $commandAst.CommandElements | Select-Object -Skip 1 | ForEach-Object { "$_" }
  if ($wordToComplete -ne '') { $before = $before | Select-Object -SkipLast 1 }
  foreach ($word in $before) {
    $next = "$at $word".Trim()
    if ($known.ContainsKey($next)) { $at = $next }
  }
  $known[$at] | Where-Object { $_ -like "$wordToComplete*" } |
    ForEach-Object { [System.Management.Automation.CompletionResult]::new($_, $_, 'ParameterValue', $_) }
}
`;

const psQuoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
