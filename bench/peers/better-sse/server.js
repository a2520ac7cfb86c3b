// The peer `better-sse`: the library's sessions and channels, on Node's own HTTP server.
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';

import { createChannel, createSession } from 'better-sse';

const KEEP_ALIVE_MS = 15_000;
const BACKLOG = 4_096;
// Longer than a publisher pauses; Node's default is five seconds.
const IDLE_MS = 75_000;

/** topic -> channel */
const channels = new Map();

async function subscribe(req, res, topic) {
  const session = await createSession(req, res, { keepAlive: KEEP_ALIVE_MS });
  let channel = channels.get(topic);
  if (!channel) {
    channel = createChannel();
    channel.on('session-deregistered', () => {
      if (channel.sessionCount === 0 && channels.get(topic) === channel) channels.delete(topic);
    });
    channels.set(topic, channel);
  }
  channel.register(session);
}

async function publish(req, res) {
  const { topic, data } = JSON.parse(await text(req));
  channels.get(topic)?.broadcast(data);
  res.writeHead(204).end();
}

const server = createServer({ keepAliveTimeout: IDLE_MS }, (req, res) => {
  const url = new URL(req.url, 'http://localhost');
  if (url.pathname !== '/events') {
    res.writeHead(404).end();
    return;
  }
  const handled =
    req.method === 'POST' ? publish(req, res) : subscribe(req, res, url.searchParams.get('topic'));
  handled.catch(() => res.destroy());
});

server.listen(Number(process.env.PORT), '127.0.0.1', BACKLOG);
