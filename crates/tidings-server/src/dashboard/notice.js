// The words of a divider row: what the hub's own events mean to whoever watches. A publisher may use these types too, so
// no member is taken for granted.

import { counted } from './format.js';

const WORDS = {
  gap: (data) => `Gap: ${lost(data)}`,
  refused: ({ reason, status, retry_ms: retryMs }) =>
    `Refused: ${plain(reason) ?? 'no reason given'}${known(status, (n) => ` (${n})`)}.` +
    `${known(retryMs, (ms) => ` The browser tries again in ${(ms / 1000).toFixed(1)} s.`)}`,
  expired: () => 'The token has ended, and the stream with it.',
  drain: () => 'The hub is going down or moving. The browser connects again by itself.',
};

/** What to write for an event of the hub's own with this data. */
export function noticeWords(type, data) {
  return WORDS[type](data);
}

function lost({ last_event_id: lastId, missed, resumed_after: resumedAfter }) {
  const after = text(lastId) === undefined ? '' : ` after ${lastId}`;
  // Where the number is missing, the id is from another log: the hub was started again, or its log was replaced.
  const what = Number.isFinite(missed)
    ? `${counted(missed, 'update')}${after}, on whatever topics, left the log before this page could read them.`
    : `updates${after} may be lost, as the hub’s log does not know that id.`;
  return text(resumedAfter) === undefined ? what : `${what} Going on after ${resumedAfter}.`;
}

function text(value) {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function plain(reason) {
  return text(reason)?.replaceAll('_', ' ');
}

function known(value, words) {
  return Number.isFinite(value) ? words(value) : '';
}
