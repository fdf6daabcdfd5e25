/** ANSI colours, or plain text where no person reads. */
export const painter = (colours: boolean) => {
  const paint = (code: number) => (text: string) => (colours ? `\u001b[${code}m${text}\u001b[0m` : text);
  return { red: paint(31), green: paint(32), yellow: paint(33), dim: paint(2) };
};
