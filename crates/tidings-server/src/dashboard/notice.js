// The words of a divider row: what the hub's own events mean to whoever watches.

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

function lost({ after, oldest, lost: updates, reason }) {
  const many = known(updates, (n) => `${n} updates`) || 'updates';
  const since = typeof after === 'string' && after !== '' ? ` after ${after}` : '';
  const joint = since === '' ? '' : ' and';
  const until = typeof oldest === 'string' && oldest !== '' ? `${joint} before ${oldest}` : '';
  const why = plain(reason) === undefined ? '' : ` (${plain(reason)})`;
  return `${many}${since}${until} were lost, as the log no longer has them${why}.`;
}

function plain(reason) {
  return typeof reason === 'string' && reason !== '' ? reason.replaceAll('_', ' ') : undefined;
}

function known(value, words) {
  return Number.isFinite(value) ? words(value) : '';
}
