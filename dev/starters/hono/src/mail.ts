/** A text as the mail that a form sends. */
export function mailOf(from: string, to: string, text: string): ForwardableEmailMessage {
  const bytes = new TextEncoder().encode(`From: ${from}\r\nTo: ${to}\r\n\r\n${text}`);
  const unsupported = () => Promise.reject(new Error('a form is not answered'));
  return {
    from,
    to,
    headers: new Headers({ from, to }),
    raw: new Blob([bytes]).stream(),
    rawSize: bytes.byteLength,
    canBeForwarded: false,
    setReject: () => {},
    forward: unsupported,
    reply: unsupported,
  };
}
