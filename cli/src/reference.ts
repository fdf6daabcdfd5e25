import { allOf, type CommandNode } from './command-tree.ts';
import { describeProgram } from './run.ts';

/** Every command in Markdown, for the documentation. */
export const commandReference = (): string =>
  allOf(describeProgram())
    .filter(({ children, words }) => children.length === 0 && words !== '')
    .map(sectionOf)
    .join('\n\n');

function sectionOf({ words, description, usage, example, places, options }: CommandNode): string {
  const rows = [
    ...places.map((place) => [place.flag, place.about] as const),
    ...options.map(({ flag, about: text, isRequired, choices, usual }) => {
      const more = [
        ...(isRequired ? ['required'] : []),
        ...(choices.length > 0 ? [`one of ${choices.map((choice) => `\`${choice}\``).join(', ')}`] : []),
        ...(typeof usual === 'string' || typeof usual === 'number' ? [`left out: \`${usual}\``] : []),
      ];
      return [flag, [text, ...more].join('; ')] as const;
    }),
  ];
  return [
    `### ${words}`,
    '',
    escaped(description),
    '',
    ...['```sh', example ?? usage, '```'],
    ...(rows.length === 0
      ? []
      : [
          '',
          '| word | meaning |',
          '| --- | --- |',
          ...rows.map(([flag, text]) => `| \`${flag}\` | ${escaped(text)} |`),
        ]),
  ].join('\n');
}

/** A pipe ends a cell, and `<name>` would be HTML. */
const escaped = (text: string): string =>
  text.replaceAll('|', '\\|').replace(/<[^>]+>(?![^`]*`[^`]*$)/g, (all) => `\`${all}\``);
