// What the hub says when it turns a request away: `application/problem+json`, or plain text from something in between. And
// what it means that it says nothing.

/** The part of a body that is not a problem document which is worth showing, in characters. */
const MAX_TEXT_CHARS = 300;

const SIGN_IN = 'The hub wants a token it can accept: set one under “Access token”, or sign in where the cookie is given.';

/** What a status means where the body says nothing. */
const MEANINGS = {
  403: 'The token does not grant this.',
  404: 'There is no hub at this address; a proxy may route it elsewhere.',
  413: 'The update is larger than the hub accepts.',
};

/** The answer in full words: what the hub said, its stable reason and status, and what to do about it. */
export async function describe(response) {
  const body = await response.text().catch(() => '');
  const problem = parse(body);
  const said = [problem.title, problem.detail].filter((part) => typeof part === 'string' && part !== '');
  const words = said.length > 0 ? said.join(': ') : body.slice(0, MAX_TEXT_CHARS).trim();
  const code = typeof problem.reason === 'string' ? `${response.status}, ${problem.reason}` : `${response.status}`;
  const meaning = MEANINGS[response.status] ?? '';
  const sentence = words === '' ? `The hub answered ${code}. ${meaning}` : `${words.replace(/[.\s]+$/, '')} (${code}).`;
  return (response.status === 401 ? `${sentence} ${SIGN_IN}` : sentence).trim();
}

/** What a request without an answer means, by the error that `fetch` threw. */
export function unanswered(error, timeoutMs) {
  if (error.name !== 'TimeoutError') return 'The hub cannot be reached.';
  return (
    `No answer in ${timeoutMs / 1000} s. Over HTTP/1.1 a browser keeps six connections to a hub, and each open tab takes one: ` +
    'close some if there are many.'
  );
}

function parse(body) {
  try {
    const value = JSON.parse(body);
    return typeof value === 'object' && value !== null ? value : {};
  } catch {
    return {};
  }
}
