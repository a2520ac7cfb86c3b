// JSON text laid out again, compact or indented, token by token: numbers keep the digits they were sent with, which a
// round trip through `JSON.parse` would round.

/** Longer texts are shown as they are: laying them out would hold up the page. */
const MAX_LAYOUT_CHARS = 65_536;

/** Deeper levels stop moving right, so that hostile nesting cannot grow the text quadratically. */
const MAX_INDENT_LEVELS = 32;

const TOKEN = /"(?:[^"\\]+|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/g;

/** The text on one line, without the whitespace between tokens; null if it is not JSON. */
export function compactJson(text) {
  return tokens(text)?.join('') ?? null;
}

/** The text with one member a line; null if it is not JSON, or only a bare word or number. */
export function prettyJson(text) {
  const list = tokens(text);
  if (list === null || list.length < 2) return null;
  let depth = 0;
  let out = '';
  list.forEach((token, at) => {
    const closes = token === '}' || token === ']';
    const opened = list[at - 1] === '{' || list[at - 1] === '[';
    if (closes) depth -= 1;
    if ((closes && !opened) || (opened && !closes) || list[at - 1] === ',') out += newLine(depth);
    out += token === ':' ? ': ' : token;
    if (token === '{' || token === '[') depth += 1;
  });
  return out;
}

function newLine(depth) {
  return `\n${'  '.repeat(Math.min(depth, MAX_INDENT_LEVELS))}`;
}

function tokens(text) {
  if (text.length > MAX_LAYOUT_CHARS) return null;
  try {
    JSON.parse(text);
  } catch {
    return null;
  }
  return text.match(TOKEN);
}
