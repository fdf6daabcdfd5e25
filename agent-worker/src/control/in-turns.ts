/** Objects asked at the same time. */
const AT_ONCE = 20;

/** Asks all of them, a few at a time; what became of each, in their order. */
export async function inTurns<Asked, Answer>(
  all: readonly Asked[],
  ask: (one: Asked) => Promise<Answer>,
): Promise<PromiseSettledResult<Answer>[]> {
  const answers: PromiseSettledResult<Answer>[] = [];
  for (let from = 0; from < all.length; from += AT_ONCE)
    answers.push(...(await Promise.allSettled(all.slice(from, from + AT_ONCE).map(ask))));
  return answers;
}
