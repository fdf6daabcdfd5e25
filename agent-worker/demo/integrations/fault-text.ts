/**
 * The text about a failure for a person. The SDK passes on the findings of its schema library as JSON: metadata of a
 * server that does not follow OAuth (RFC 8414).
 */
export function faultText(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const fields = findingsIn(message);
  return fields === undefined
    ? message
    : `The server describes its sign-in in a form that OAuth does not have, so it was not begun: ${fields}.`;
}

/** Each finding as `authorization_endpoint: Invalid URL`; undefined where the text is no list of findings. */
function findingsIn(text: string): string | undefined {
  const start = text.indexOf('[');
  if (start === -1) return undefined;
  try {
    const read: unknown = JSON.parse(text.slice(start, text.lastIndexOf(']') + 1));
    const said = Array.isArray(read) ? read.map(findingOf) : [];
    return said.length > 0 && said.every((each) => each !== undefined) ? said.join('; ') : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

function findingOf(finding: unknown): string | undefined {
  const { path, message } = Object(finding);
  return Array.isArray(path) && typeof message === 'string' ? `${path.join('.')}: ${message}` : undefined;
}
