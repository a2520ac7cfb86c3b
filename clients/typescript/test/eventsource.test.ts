/** The first face is an `EventSource`: what the web platform tests ask of one, in our own words. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { Stream, StreamMessageEvent } from "../src/index.js";
import { serve, stream } from "./support/serve.js";
import { end, messages, next, open } from "./support/watch.js";

const FORMATS: { name: string; body: string; data: string[] }[] = [
  {
    name: "data of two lines, an empty event, and unknown fields",
    body: "data:msg\ndata:msg\n\n:\nfalsefield:msg\n\nfalsefield:msg\nData:data\n\ndata\n\ndata:end\n\n",
    data: ["msg\nmsg", "", "end"],
  },
  {
    name: "a byte order mark is dropped once",
    body: "\uFEFFdata:1\n\n\uFEFFdata:2\n\ndata:3\n\n",
    data: ["1", "3"],
  },
  {
    name: "a second byte order mark is text",
    body: "\uFEFF\uFEFFdata:1\n\ndata:2\n\ndata:3\n\n",
    data: ["2", "3"],
  },
  {
    name: "comments anywhere",
    body: `data:1\r:\0\n:\r\ndata:2\n:${"x".repeat(2_048)}\rdata:3\n:data:fail\r:${"x".repeat(2_048)}\ndata:4\n\n`,
    data: ["1\n2\n3\n4"],
  },
  {
    name: "data with and without a colon",
    body: "data:\n\ndata\ndata\n\ndata:test\n\n",
    data: ["", "\n", "test"],
  },
  {
    name: "field names to the letter",
    body: "data:\0\ndata:  2\rData:1\ndata\0:2\ndata:1\r\0data:4\nda-ta:3\rdata_5\ndata:3\rdata:\r\n data:32\ndata:4\n\n",
    data: ["\0\n 2\n1\n3\n\n4"],
  },
  {
    name: "unknown fields",
    body: "data:test\n data\ndata\nfoobar:xxx\njustsometext\n:thisisacommentyay\ndata:test\n\n",
    data: ["test\n\ntest"],
  },
  {
    name: "one leading space",
    body: "data:\ttest\rdata: \ndata:test\n\n",
    data: ["\ttest\n\ntest"],
  },
  {
    name: "line ends of all kinds",
    body: "data:test\r\ndata\ndata:test\r\n\r\n",
    data: ["test\n\ntest"],
  },
  { name: "NUL in data", body: "data:\0\n\n\n\n", data: ["\0"] },
  { name: "UTF-8 whatever the charset", body: "data:ok…\n\n", data: ["ok…"] },
];

for (const { name, body, data } of FORMATS) {
  test(`the format: ${name}`, async (t) => {
    const server = await serve(t, (response) => {
      response.writeHead(200, { "Content-Type": "text/event-stream;charset=windows-1252" });
      response.write(body);
    });
    const seen = await messages(open(t, server.url), data.length);
    assert.deepEqual(
      seen.map((event) => event.data),
      data,
    );
  });
}

test("an event is a MessageEvent with the origin of the URL that answered", async (t) => {
  const there = await serve(t, (response) => stream(response, "id: …\ndata: 1\n\n"));
  const here = await serve(t, (response) => response.writeHead(302, { Location: there.url }).end());
  const source = open(t, here.url);
  const opened = next(source, "open");
  const event = await next(source, "message");
  assert.ok(event instanceof MessageEvent && event instanceof StreamMessageEvent);
  const { type, data, origin, lastEventId, source: from, ports, bubbles, cancelable } = event;
  assert.deepEqual(
    { type, data, origin, lastEventId, from, ports: [...ports], bubbles, cancelable },
    {
      type: "message",
      data: "1",
      origin: there.url,
      lastEventId: "…",
      from: null,
      ports: [],
      bubbles: false,
      cancelable: false,
    },
  );
  assert.equal(event.target, source);
  assert.equal(source.url, `${here.url}/`);
  const open_ = await opened;
  assert.deepEqual([open_.type, open_.status, open_.url], ["open", 200, `${there.url}/`]);
  assert.equal(open_.headers["content-type"], "text/event-stream");
});

test("a named event goes to its listeners, and an empty name is message", async (t) => {
  const server = await serve(t, (response) =>
    stream(response, "event:test\ndata:x\n\nevent: \ndata:y\n\ndata:z\n\n"),
  );
  const source = open(t, server.url);
  const named = next(source, "test");
  const seen = await messages(source, 2);
  assert.equal((await named).data, "x");
  assert.deepEqual(
    seen.map((event) => event.data),
    ["y", "z"],
  );
});

test("an id goes back as its UTF-8 bytes", async (t) => {
  const server = await serve(t, (response) => stream(response, "id: a…é😀\ndata: 1\n\n").end());
  const source = open(t, server.url);
  await messages(source, 2);
  const sent = server.asked.map(({ headers }) => headers["last-event-id"]);
  assert.equal(sent[0], undefined);
  assert.equal(Buffer.from(String(sent[1]), "latin1").toString(), "a…é😀");
  assert.equal(source.lastEventId, "a…é😀");
});

test("an id outlives connections that bring none, and a block without data moves it", async (t) => {
  const bodies = [
    "id: 1\ndata: a\n\n",
    "data: b\n\n",
    "id: 2\n\n",
    "data: c\n\n",
    "id\ndata: d\n\n",
    "data: e\n\n",
  ];
  const server = await serve(t, (response, _, count) => {
    const body = bodies[count];
    if (body) stream(response, body).end();
    else response.writeHead(204).end();
  });
  const source = open(t, server.url);
  const seen: string[] = [];
  source.onmessage = (event) => seen.push(`${event.data}${event.lastEventId}`);
  await end(source);
  assert.deepEqual(seen, ["a1", "b1", "c2", "d", "e"]);
  const sent = server.asked.map(({ headers }) => headers["last-event-id"]);
  assert.deepEqual(sent, [undefined, "1", "1", "2", "2", undefined, undefined]);
});

test("an id with NUL is none", async (t) => {
  for (const id of ["\0\0", "x\0", "\0x", "x\0x", " \0"]) {
    const server = await serve(t, (response) => stream(response, `id:${id}\ndata: 1\n\n`).end());
    const source = open(t, server.url);
    const seen = await messages(source, 2);
    assert.deepEqual(
      seen.map((event) => event.lastEventId),
      ["", ""],
    );
    assert.equal(server.asked[1]?.headers["last-event-id"], undefined);
    source.close();
  }
});

test("what the end of the stream cuts short is dropped, with its id", async (t) => {
  const server = await serve(t, (response) => stream(response, "id: 9\ndata: a\nretry: 7").end());
  const source = open(t, server.url);
  source.onmessage = () => assert.fail("half an event");
  await next(source, "error");
  await next(source, "open");
  assert.equal(server.asked[1]?.headers["last-event-id"], undefined);
  assert.equal(source.reconnectionTime, 0);
});

const RETRIES: [line: string, ms: number][] = [
  ["retry:03000", 3_000],
  ["retry:3000\nretry:1000x", 3_000],
  ["retry:3000\nretry", 3_000],
  ["retry:3000\nretry:-1", 3_000],
  ["retry:3000\nretry:1e3", 3_000],
  ["retry:0", 0],
];
for (const [line, ms] of RETRIES) {
  test(`the least wait is ${ms} after ${JSON.stringify(line)}`, async (t) => {
    const server = await serve(t, (response) => stream(response, `${line}\n`).end());
    const source = open(t, server.url);
    const failure = await next(source, "error");
    assert.equal(failure.wait, ms);
    assert.equal(source.reconnectionTime, ms);
  });
}

test("a type that is not text/event-stream closes it", async (t) => {
  for (const type of ["x bogus", "text/event-streams", "text/html", "text/event-stream bogus"]) {
    const server = await serve(t, (response) => {
      response.writeHead(200, { "Content-Type": type });
      response.write("data: 1\n\n");
    });
    const source = open(t, server.url);
    source.onmessage = () => assert.fail(type);
    source.onopen = () => assert.fail(type);
    const event = await next(source, "error");
    assert.equal(event.constructor, Event);
    assert.equal(source.readyState, source.CLOSED);
    assert.equal(event.error?.kind, "type");
    assert.ok(event.error.message.includes(type), event.error.message);
  }
});

test("parameters of the type and its letters' case do not matter", async (t) => {
  for (const type of ["text/event-stream;", "TEXT/Event-Stream ; x=y", "text/event-stream;bogus"]) {
    const server = await serve(t, (response) => {
      response.writeHead(200, { "Content-Type": type });
      response.write("data: 1\n\n");
    });
    await next(open(t, server.url), "message");
  }
});

test("the request is a GET that accepts event streams only, and no cached answer", async (t) => {
  const server = await serve(t, (response) => stream(response));
  await next(open(t, `${server.url}/a?b=c`), "open");
  const { method, url, headers } = server.asked[0] ?? assert.fail();
  assert.deepEqual([method, url], ["GET", "/a?b=c"]);
  assert.equal(headers.accept, "text/event-stream");
  assert.equal(headers["cache-control"], "no-cache");
  assert.equal(headers["last-event-id"], undefined);
});

test("redirects are followed, and each reconnect begins at the first URL", async (t) => {
  for (const status of [301, 302, 303, 307, 308]) {
    const server = await serve(t, (response, asked) => {
      if (asked.url === "/") response.writeHead(status, { Location: "there" }).end();
      else stream(response, "data: 1\n\n").end();
    });
    const source = open(t, server.url);
    await messages(source, 2);
    source.close();
    assert.deepEqual(server.asked.map(({ url }) => url).slice(0, 4), [
      "/",
      "/there",
      "/",
      "/there",
    ]);
  }
});

test("the end of the stream is an error, then it is opened again, until 204", async (t) => {
  const server = await serve(t, (response, _, count) => {
    if (count < 2) stream(response, `data: ${count}\n\n`).end();
    else response.writeHead(204).end();
  });
  const source = open(t, server.url);
  const seen: string[] = [];
  const note = (event: Event) => seen.push(`${event.type} ${source.readyState}`);
  source.onopen = note;
  source.onmessage = note;
  source.onerror = note;
  assert.equal(source.readyState, 0);
  const last = await end(source);
  assert.deepEqual(seen, [
    ...["open 1", "message 1", "error 0"],
    ...["open 1", "message 1", "error 0"],
    "error 2",
  ]);
  assert.deepEqual([last.error, last.wait], [undefined, undefined]);
});

test("close in a listener keeps back the rest, and nothing is called after it", async (t) => {
  const server = await serve(t, (response) => stream(response, "data: 1\n\ndata: 2\n\n"));
  const source = open(t, server.url);
  source.onmessage = (event) => {
    assert.equal(event.data, "1");
    source.close();
  };
  source.onerror = () => assert.fail("an error after close");
  await next(source, "message");
  assert.equal(source.readyState, Stream.CLOSED);
  source.close();
  await new Promise(setImmediate);
});

test("close in a callback keeps back what listeners would be told", async (t) => {
  const server = await serve(t, (response) => stream(response).end());
  for (const callback of ["onOpen", "onError"]) {
    let told: () => void = assert.fail;
    const isTold = new Promise<void>((resolve) => {
      told = resolve;
    });
    const source = open(t, server.url, {
      [callback]: () => {
        source.close();
        told();
      },
    });
    const heard: string[] = [];
    for (const type of ["open", "error"]) source.addEventListener(type, () => heard.push(type));
    await isTold;
    await new Promise(setImmediate);
    assert.deepEqual(heard, callback === "onOpen" ? [] : ["open"]);
  }
});

test("close in the error listener makes no other attempt", async (t) => {
  const server = await serve(t, (response) => stream(response).end());
  const source = open(t, server.url);
  source.onerror = () => source.close();
  await next(source, "error");
  await next(open(t, server.url), "open");
  assert.equal(server.asked.length, 2);
});

test("a bad URL is a SyntaxError", () => {
  for (const url of ["http://this is invalid/", "", "/relative", "http://[::1"]) {
    assert.throws(() => new Stream(url), { name: "SyntaxError", constructor: DOMException });
  }
});

test("a URL is taken as a text, a URL object, or anything that has words", async (t) => {
  const server = await serve(t, (response) => stream(response));
  for (const url of [server.url, new URL(server.url), { toString: () => server.url } as URL]) {
    const source = open(t, url as string);
    assert.equal(source.url, `${server.url}/`);
    await next(source, "open");
  }
});

test("user and password of the URL are sent as EventSource sends them", async (t) => {
  const server = await serve(t, (response) => stream(response));
  const url = server.url.replace("//", "//us%C3%A9r:p%3Aw@");
  const source = open(t, url);
  await next(source, "open");
  assert.equal(source.url, `${url}/`);
  const [, basic = ""] = String(server.asked[0]?.headers.authorization).split(" ");
  assert.equal(Buffer.from(basic, "base64").toString(), "usér:p:w");
});

test("the constants are on the class and its instances, and cannot be changed", async (t) => {
  const server = await serve(t, (response) => stream(response));
  const source = open(t, server.url);
  for (const where of [Stream, source]) {
    assert.deepEqual([where.CONNECTING, where.OPEN, where.CLOSED], [0, 1, 2]);
    assert.throws(() => Object.assign(where, { OPEN: 5 }), TypeError);
  }
  assert.ok(source instanceof EventTarget);
  assert.throws(() => Object.assign(source, { readyState: 2 }), TypeError);
  assert.throws(() => Object.assign(source, { url: "x" }), TypeError);
  assert.equal(source.withCredentials, false);
  assert.equal(open(t, server.url, { withCredentials: true }).withCredentials, true);
});

test("a handler is a listener at the place where it was first set", async (t) => {
  const server = await serve(t, (response) => stream(response, "data: 1\n\n"));
  const source = open(t, server.url);
  const seen: string[] = [];
  assert.equal(source.onmessage, null);
  source.addEventListener("message", () => seen.push("first"));
  source.onmessage = () => seen.push("never");
  source.addEventListener("message", () => seen.push("third"));
  const handler = function (this: unknown) {
    seen.push(this === source ? "second" : "of whom?");
  };
  source.onmessage = handler;
  assert.equal(source.onmessage, handler);
  source.onerror = handler;
  source.onerror = null;
  assert.equal(source.onerror, null);
  source.onopen = 5 as never;
  assert.equal(source.onopen, null);
  await next(source, "message");
  assert.deepEqual(seen, ["first", "second", "third"]);
});

test("a stream that nobody listens to yet keeps its first event", async (t) => {
  const server = await serve(t, (response) => stream(response, "data: 1\n\ndata: 2\n\n"));
  let opened: () => void = assert.fail;
  const isOpen = new Promise<void>((resolve) => {
    opened = resolve;
  });
  const source = open(t, server.url, { onOpen: opened });
  await isOpen;
  await new Promise((resolve) => setTimeout(resolve, 50));
  const seen = await messages(source, 2);
  assert.deepEqual(
    seen.map((event) => event.data),
    ["1", "2"],
  );
});

test("an event that was kept is not given after close", async (t) => {
  const server = await serve(t, (response) => stream(response, "data: 1\n\n"));
  let opened: () => void = assert.fail;
  const isOpen = new Promise<void>((resolve) => {
    opened = resolve;
  });
  const source = open(t, server.url, { onOpen: opened });
  await isOpen;
  await new Promise((resolve) => setTimeout(resolve, 50));
  source.close();
  source.onmessage = () => assert.fail("an event after close");
  await new Promise((resolve) => setTimeout(resolve, 10));
});
