/**
 * Milliseconds that passed since it was made, by a clock that anybody may set. Time asleep counts; a clock set back
 * counts as no time, so that nothing waits until a wrong clock has caught up with itself.
 */
export function steadyClock(now: () => number): () => number {
  let last = now();
  let passed = 0;
  return () => {
    const at = now();
    passed += Math.max(0, at - last);
    last = at;
    return passed;
  };
}
