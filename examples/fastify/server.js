// A Fastify app that leaves its event streams to a hub: it publishes from its handlers, and lets browsers in.
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';

import cookie from '@fastify/cookie';
import files from '@fastify/static';
import fastify from 'fastify';

import hub from './hub.js';

const { PORT = '8000', HUB_URL = 'http://127.0.0.1:3000' } = process.env;
const { HUB_KEY = 'a secret for development only, 32 bytes+' } = process.env;
const MAX_SESSIONS = 10_000;
const TOKEN_SECONDS = 60 * 60;

const user = { type: 'string', pattern: '^[A-Za-z0-9_-]{1,64}$' };
const text = { type: 'string', minLength: 1, maxLength: 1_000 };
const withUser = { type: 'object', required: ['user'], properties: { user } };
const withText = { type: 'object', required: ['text'], properties: { text } };

/** The session cookie's value -> the user. The oldest goes when there are too many. */
const sessions = new Map();
/** The open responses of the plain endpoint. */
const clients = new Set();

const app = fastify({ ajv: { customOptions: { coerceTypes: false } } });
await app.register(cookie);
await app.register(files, { root: fileURLToPath(new URL('public', import.meta.url)) });
await app.register(hub, { url: HUB_URL, key: HUB_KEY });

app.setErrorHandler((error, request, reply) => {
  // What the framework refuses, and the hub's errors, have a status; everything else is a bug.
  const { statusCode = 500, message } = error;
  if (statusCode === 500) console.error(error);
  reply.code(statusCode).send({ error: statusCode === 500 ? 'internal error' : message });
});

app.post('/login', { schema: { body: withUser } }, async (request, reply) => {
  const session = randomUUID();
  sessions.set(session, request.body.user);
  if (sessions.size > MAX_SESSIONS) sessions.delete(sessions.keys().next().value);
  return reply.setCookie('session', session, { path: '/', httpOnly: true, sameSite: 'lax' }).code(204).send();
});

app.post('/hub-token', async function hubToken(request, reply) {
  const user = sessions.get(request.cookies.session);
  if (user === undefined) return reply.code(401).send({ error: 'log in first' });
  const token = app.hub.subscriberToken(user, TOKEN_SECONDS);
  reply.setCookie('mercureAuthorization', token, {
    httpOnly: true, sameSite: 'strict', path: '/.well-known/mercure', maxAge: TOKEN_SECONDS,
  });
  return { hub: app.hub.url, topics: ['news', `users/${user}`], token };
});

app.post('/messages', { schema: { body: withText } }, async function sendMessage(request) {
  const data = { text: request.body.text };
  for (const client of clients) client.write(`data: ${JSON.stringify(data)}\n\n`);
  return { id: await app.hub.publish({ topic: 'news', data }) };
});

const notification = { schema: { params: withUser, body: withText } };
app.post('/users/:user/notifications', notification, async function notify(request) {
  const data = { text: request.body.text };
  const topic = `users/${request.params.user}`;
  return { id: await app.hub.publish({ topic, type: 'notification', data, private: true }) };
});

// A stream without a hub, as tutorials write it: what a client misses while it is away is lost.
app.get('/api/events', function plainEvents(request, reply) {
  reply.hijack();
  reply.raw.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-cache' });
  reply.raw.flushHeaders();
  clients.add(reply.raw);
  reply.raw.on('close', () => clients.delete(reply.raw));
});

await app.listen({ port: Number(PORT), host: '127.0.0.1' });
console.log(`listening on http://127.0.0.1:${PORT}`);
