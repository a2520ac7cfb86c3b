// The app beside the hub: it serves the page and the package, gives out tokens that last for seconds, and publishes.
import { createReadStream } from 'node:fs';
import { createServer } from 'node:http';
import { cpus, freemem, totalmem } from 'node:os';

import { SignJWT } from 'jose';
import { publish } from 'tidings/publish';

const PORT = Number(process.env.PORT ?? 8000);
const HUB_URL = process.env.HUB_URL ?? 'http://127.0.0.1:3000';
const KEY = new TextEncoder().encode(process.env.HUB_KEY ?? 'a secret for development only, 32 bytes+');

/** Long enough to connect with, so short that you can watch it being renewed. */
const TOKEN_SECONDS = 20;
const PUBLISH_MS = 1_000;
const TOPIC = 'machine';

/** The processors' times at the last look. */
let before = { idle: 0, all: 0 };

const PAGE = new URL('public/index.html', import.meta.url);
const PACKAGE = new URL('./', import.meta.resolve('tidings'));

createServer(async (request, response) => {
  const { pathname } = new URL(request.url, HUB_URL);
  if (request.method === 'GET' && pathname === '/') {
    send(response, PAGE, 'text/html; charset=utf-8');
  } else if (request.method === 'GET' && /^\/tidings\/[\w-]+\.js$/.test(pathname)) {
    send(response, new URL(pathname.slice('/tidings/'.length), PACKAGE), 'text/javascript');
  } else if (request.method === 'POST' && pathname === '/token') {
    // Here an app looks at its session, and answers 401 if nobody is logged in.
    const token = await sign({ sub: 'alice', mercure: { subscribe: [TOPIC] } }, TOKEN_SECONDS);
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ hub: HUB_URL, topic: TOPIC, user: 'alice', token, seconds: TOKEN_SECONDS }));
  } else {
    response.writeHead(404).end();
  }
}).listen(PORT, '127.0.0.1', () => {
  console.log(`listening on http://127.0.0.1:${PORT}`);
  publishFigures();
});

/** Publishes how this machine is doing, for those alone who have a token for it. */
async function publishFigures() {
  for (;;) {
    const data = { busy: busy(), memory: 1 - freemem() / totalmem(), at: Date.now() };
    try {
      const token = () => sign({ mercure: { publish: [TOPIC] } }, 60);
      await publish(`${HUB_URL}/.well-known/mercure`, { topic: TOPIC, data, private: true }, { token });
    } catch (error) {
      console.error(`not published: ${error.message}`);
    }
    await new Promise((later) => setTimeout(later, PUBLISH_MS));
  }
}

/** What part of the processors' time was used since the last call. */
function busy() {
  const now = { idle: 0, all: 0 };
  for (const { times } of cpus()) {
    now.idle += times.idle;
    now.all += Object.values(times).reduce((sum, time) => sum + time);
  }
  const part = 1 - (now.idle - before.idle) / (now.all - before.all || 1);
  before = now;
  return part;
}

function sign(claims, seconds) {
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setExpirationTime(`${seconds}s`).sign(KEY);
}

function send(response, file, type) {
  response.setHeader('Content-Type', type);
  createReadStream(file).on('error', () => response.writeHead(404).end()).pipe(response);
}
