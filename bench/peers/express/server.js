// The peer `express`: server-sent events as tutorials for Express write them. A set of open responses for each topic,
// and one `res.write` for each of them.
import express from 'express';

const KEEP_ALIVE_MS = 15_000;
const BACKLOG = 4_096;
// Longer than a publisher pauses; Node's default is five seconds.
const IDLE_MS = 75_000;

/** topic -> the responses of its subscribers */
const topics = new Map();

const app = express();
app.disable('x-powered-by');

app.get('/events', (req, res) => {
  const { topic } = req.query;
  res.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-cache',
    Connection: 'keep-alive',
  });
  res.flushHeaders();

  let clients = topics.get(topic);
  if (!clients) {
    clients = new Set();
    topics.set(topic, clients);
  }
  clients.add(res);

  res.on('close', () => {
    clients.delete(res);
    if (clients.size === 0 && topics.get(topic) === clients) topics.delete(topic);
  });
});

app.post('/events', express.json(), (req, res) => {
  const { topic, data } = req.body;
  const event = `data: ${JSON.stringify(data)}\n\n`;
  for (const client of topics.get(topic) ?? []) client.write(event);
  res.sendStatus(204);
});

setInterval(() => {
  for (const clients of topics.values()) {
    for (const client of clients) client.write(': keep-alive\n\n');
  }
}, KEEP_ALIVE_MS);

const server = app.listen(Number(process.env.PORT), '127.0.0.1', BACKLOG);
server.keepAliveTimeout = IDLE_MS;
