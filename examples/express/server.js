// An Express app that leaves its event streams to a hub: it publishes from its handlers, and lets browsers in.
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';

import cookieParser from 'cookie-parser';
import express from 'express';

import { HUB_URL, HubError, publish, subscriberToken } from './hub.js';

const PORT = Number(process.env.PORT ?? 8000);
const MAX_SESSIONS = 10_000;
const MAX_TEXT = 1_000;
const TOKEN_SECONDS = 60 * 60;

/** The session cookie's value -> the user. The oldest goes when there are too many. */
const sessions = new Map();
/** The open responses of the plain endpoint. */
const clients = new Set();

const app = express();
app.disable('x-powered-by');
app.use(express.static(fileURLToPath(new URL('public', import.meta.url))));
app.use(express.json(), cookieParser());

app.post('/login', (req, res) => {
  const user = checkedUser(req.body?.user);
  const session = randomUUID();
  sessions.set(session, user);
  if (sessions.size > MAX_SESSIONS) sessions.delete(sessions.keys().next().value);
  res.cookie('session', session, { httpOnly: true, sameSite: 'lax' }).status(204).end();
});

app.post('/hub-token', async function hubToken(req, res) {
  const user = sessions.get(req.cookies.session);
  if (user === undefined) return res.status(401).json({ error: 'log in first' });
  const token = await subscriberToken(user, TOKEN_SECONDS);
  res.cookie('mercureAuthorization', token, {
    httpOnly: true, sameSite: 'strict', path: '/.well-known/mercure', maxAge: TOKEN_SECONDS * 1000,
  });
  res.json({ hub: HUB_URL, topics: ['news', `users/${user}`], token });
});

app.post('/messages', async function sendMessage(req, res) {
  const data = { text: checkedText(req.body?.text) };
  for (const client of clients) client.write(`data: ${JSON.stringify(data)}\n\n`);
  res.json({ id: await publish({ topic: 'news', data }) });
});

app.post('/users/:user/notifications', async function notify(req, res) {
  const topic = `users/${checkedUser(req.params.user)}`;
  const data = { text: checkedText(req.body?.text) };
  res.json({ id: await publish({ topic, type: 'notification', data, private: true }) });
});

// A stream without a hub, as tutorials write it: what a client misses while it is away is lost.
app.get('/api/events', function plainEvents(req, res) {
  res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
  res.flushHeaders();
  clients.add(res);
  res.on('close', () => clients.delete(res));
});

app.use((error, req, res, next) => {
  if (error instanceof HubError) return res.status(502).json({ error: error.message });
  // What the body parser and the checks below throw has a status; everything else is a bug.
  if (error.status >= 400 && error.status < 500) return res.status(error.status).json({ error: error.message });
  console.error(error);
  res.status(500).json({ error: 'internal error' });
});

app.listen(PORT, '127.0.0.1', (error) => {
  if (error) throw error;
  console.log(`listening on http://127.0.0.1:${PORT}`);
});

function checkedUser(user) {
  if (typeof user === 'string' && /^[A-Za-z0-9_-]{1,64}$/.test(user)) return user;
  throw badRequest('a user is 1 to 64 letters, digits, _ or -');
}

function checkedText(text) {
  if (typeof text === 'string' && text !== '' && text.length <= MAX_TEXT) return text;
  throw badRequest(`a text is 1 to ${MAX_TEXT} characters`);
}

function badRequest(message) {
  return Object.assign(new Error(message), { status: 400 });
}
