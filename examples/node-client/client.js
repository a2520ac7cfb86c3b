// Follows a topic for as long as it runs, and acts on each update at its own pace.
import { readFile, rename, writeFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

import { SignJWT } from 'jose';
import { Stream } from 'tidings';
import { publish } from 'tidings/publish';

const HUB_URL = process.env.HUB_URL ?? 'http://127.0.0.1:3000';
const KEY = new TextEncoder().encode(process.env.HUB_KEY ?? 'a secret for development only, 32 bytes+');
const URL = `${HUB_URL}/.well-known/mercure`;
const TOPIC = 'orders';
/** Where the id of the last update that was dealt with is kept, so that a new start goes on after it. */
const FILE = process.env.LAST_ID_FILE ?? 'last-id';

const stop = new AbortController();
// More than once: npm passes on what the terminal has sent already.
process.on('SIGINT', () => stop.abort()).on('SIGTERM', () => stop.abort());

// Elsewhere this is another program.
takeOrders().catch((error) => stop.signal.aborted || stop.abort(error));

const stream = new Stream(`${URL}?topic=${TOPIC}`, {
  headers: async () => ({ Authorization: `Bearer ${await token({ subscribe: [TOPIC] })}` }),
  // The first time: all that the hub has.
  lastEventId: await readFile(FILE, 'utf8').catch(() => 'earliest'),
  signal: stop.signal,
  onOpen: () => console.error('connected'),
  // Its message says whether there is another attempt, and when. A stream that the hub ends with 204 is no error: the loop ends.
  onError: ({ error }) => console.error(error.message),
});

try {
  for await (const event of stream) {
    if (event.type === 'gap') {
      console.error('some orders are lost: the hub does not have them any more');
    } else if (event.type === 'message') {
      await deal(event.json());
    }
    await remember(event.lastEventId);
  }
} catch (error) {
  // The wish to stop is no error.
  if (error.name !== 'AbortError') throw error;
}

/** The work. While it takes its time, nothing more is read from the hub. */
async function deal(order) {
  await sleep(100);
  console.log(`order ${order.number}: ${order.what}`);
}

/** Another file first, so that a crash leaves the old id or the new one. */
async function remember(id) {
  await writeFile(`${FILE}.new`, id);
  await rename(`${FILE}.new`, FILE);
}

async function takeOrders() {
  const goods = ['tea', 'coffee', 'a paper', 'two stamps'];
  // Another name at each start, so that no two orders look the same.
  const start = Date.now().toString(36);
  for (let number = 1; !stop.signal.aborted; number += 1) {
    const data = { number: `${start}-${number}`, what: goods[number % goods.length] };
    await publish(URL, { topic: TOPIC, data, private: true }, {
      token: () => token({ publish: [TOPIC] }),
      signal: stop.signal,
    });
    await sleep(1_000, undefined, { signal: stop.signal });
  }
}

function token(mercure) {
  return new SignJWT({ mercure }).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('60s').sign(KEY);
}
