// The dashboard's entry: joins the stream, the list, the forms and the charts, and keeps the choice in the address.

import { Chips } from './dashboard/chips.js';
import { copy } from './dashboard/clipboard.js';
import { EventList, tally } from './dashboard/event-list.js';
import { count, duration, rate } from './dashboard/format.js';
import { Machine } from './dashboard/machine.js';
import { noticeWords } from './dashboard/notice.js';
import { Publisher } from './dashboard/publish.js';
import { Stats } from './dashboard/stats.js';
import { HUB_PATH, Stream } from './dashboard/stream.js';

const TICK_MS = 1_000;
const STATE_NAMES = { open: 'Open', connecting: 'Connecting', refused: 'Refused', closed: 'Closed' };

const $ = (selector) => document.querySelector(selector);
const address = new URLSearchParams(location.search);
const wanted = address.getAll('topic').filter((topic) => topic !== '');

let resumes = 0;
let retryAt = null;

const machine = new Machine($('#machine'));
const stats = new Stats($('#hub-charts'));
const list = new EventList($('#events'), { onCopy: copy, onChange: showTally });

const stream = new Stream({
  onState: showState,
  onEvent(event) {
    list.event(event, topics.names);
    machine.take(event.data);
    showPosition();
  },
  onNotice(type, data) {
    list.note(type, noticeWords(type, data));
    showPosition();
  },
  onResume(lastId, awayMs) {
    resumes += 1;
    list.note('note', `Connected again after ${duration(awayMs / 1000)}, ${resumeWords(lastId)}`);
    showPosition();
  },
});

const topics = new Chips({
  list: $('#topics'),
  form: $('#topic-form'),
  attribute: 'topic',
  onAdd: chooseTopics,
  onRemove: chooseTopics,
});

const types = new Chips({
  list: $('#types'),
  form: $('#type-form'),
  attribute: 'type',
  onAdd(type) {
    stream.listen(type);
    keepInAddress();
  },
  onRemove(type) {
    stream.unlisten(type);
    keepInAddress();
  },
});

const publisher = new Publisher($('#publish-form'), $('#publish-result'), (type) => {
  if (!types.add(type)) return;
  stream.listen(type);
  keepInAddress();
});

function resumeWords(lastId) {
  if (lastId === null) return 'without an id to resume after: what was published meanwhile is not here.';
  return lastId === '' ? 'resuming where the stream was.' : `resuming after ${lastId}.`;
}

function chooseTopics() {
  stream.subscribe(topics.names);
  list.note('note', topics.names.length === 0 ? 'No topics.' : `Topics now: ${topics.names.join(', ')}`);
  keepInAddress();
  showCurl();
}

function keepInAddress() {
  const query = new URLSearchParams();
  for (const topic of topics.names) query.append('topic', topic);
  for (const type of types.names) if (type !== 'message') query.append('type', type);
  history.replaceState(null, '', `?${query}`);
}

function showState({ state, detail, retryAt: at }) {
  $('#state').dataset.state = state;
  $('#state-name').textContent = STATE_NAMES[state];
  $('#state-detail').textContent = detail;
  $('#reconnect').hidden = state === 'open' || topics.names.length === 0;
  retryAt = at;
  showWait();
}

/** The countdown is outside the live region: a screen reader should not read each second. */
function showWait() {
  const seconds = retryAt === null ? 0 : Math.ceil((retryAt - Date.now()) / 1000);
  $('#state-wait').textContent = retryAt === null ? '' : seconds > 0 ? `Next attempt in ${seconds} s` : 'Trying now';
}

function showPosition() {
  const id = stream.lastId;
  const place = $('#last-id');
  if (place.dataset.id !== id) {
    place.dataset.id = id;
    place.textContent = id;
    place.title = id;
  }
  $('#resumes').textContent = count(resumes);
}

function showTally(counts) {
  $('#rate').textContent = `${rate(counts.rate)} events/s`;
  $('#received').textContent = `${count(counts.received)} received`;
  $('#shown').textContent = tally(counts);
  $('#empty').hidden = counts.visible > 0;
  const filtered = counts.rows > 0;
  $('#empty-text').textContent = filtered ? 'No row matches the filter.' : 'Nothing has arrived yet. Publish from a terminal:';
  $('.copyable').hidden = filtered;
}

/** The command names a topic that the selectors in force will show. */
function showCurl() {
  const exact = topics.names.find((topic) => topic !== '*' && !topic.includes('{')) ?? 'demo/hello';
  const quoted = `topic=${exact}`.replaceAll("'", "'\\''");
  const token = $('#token').value.trim() === '' ? '' : '  -H "Authorization: Bearer $TOKEN" \\\n';
  $('#curl').textContent =
    `curl ${location.origin}${HUB_PATH} \\\n${token}  --data-urlencode '${quoted}' \\\n  --data-urlencode 'data={"hello": "world"}'`;
}

function toggle(button, set) {
  button.addEventListener('click', () => {
    const pressed = button.getAttribute('aria-pressed') !== 'true';
    button.setAttribute('aria-pressed', String(pressed));
    set(pressed);
  });
}

toggle($('#pause'), (paused) => {
  list.paused = paused;
});
toggle($('#pretty'), (pretty) => {
  list.pretty = pretty;
});
$('#filter').addEventListener('input', ({ target }) => {
  list.filter = target.value;
});
$('#clear').addEventListener('click', () => list.clear());
$('#replay').addEventListener('click', () => {
  list.clear();
  stream.replay();
});
$('#reconnect').addEventListener('click', () => stream.reconnect());
$('#copy-curl').addEventListener('click', ({ target }) => copy($('#curl').textContent, target));
$('#token-form').addEventListener('submit', (event) => {
  event.preventDefault();
  const token = $('#token').value.trim();
  publisher.authorise(token);
  stream.authorise(token);
  showCurl();
});
// A page taken back out of the browser's cache has had its stream closed without an event.
addEventListener('pageshow', ({ persisted }) => persisted && stream.reconnect());

$('#hub-name').textContent = location.host;
for (const topic of wanted.length > 0 ? wanted : ['*']) topics.add(topic);
types.add('message', { fixed: true });
for (const type of address.getAll('type')) if (types.add(type)) stream.listen(type);
showCurl();
stream.subscribe(topics.names);
void stats.poll();
setInterval(() => {
  list.tick();
  machine.tick();
  showWait();
}, TICK_MS);
