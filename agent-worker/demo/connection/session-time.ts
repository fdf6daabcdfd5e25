/** How long a session has to live, in words. Times in ms since 1970. */
export function sessionTimeOf(endsAt: number, now: number): string {
  const seconds = Math.max(0, Math.round((endsAt - now) / 1000));
  if (seconds === 0) return 'is over';
  if (seconds < 120) return `for ${seconds} ${seconds === 1 ? 'second' : 'seconds'}`;
  return `for ${Math.round(seconds / 60)} minutes`;
}
