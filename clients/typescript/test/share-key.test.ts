/** Who shares a stream: two users never do, whatever their program gives as the name. */

import assert from "node:assert/strict";
import test from "node:test";

import { StreamError, type StreamOptions } from "../src/index.js";
import { shareName } from "../src/share-key.js";

const URL = "https://example.com/events?topic=a";
const headers = () => ({});

/** The name of a stream, for sure. */
async function named(options: StreamOptions, url = URL): Promise<string> {
  const name = await shareName(url, options);
  return name instanceof StreamError ? assert.fail(name) : name;
}

test("streams with the same name and request share, and no others", async () => {
  const same = await named({ share: "17", headers });
  assert.equal(await named({ share: "17", headers: () => ({ "X-A": "b" }) }), same);
  const others = [
    await named({ share: "18", headers }),
    await named({ share: "17", headers }, `${URL}&topic=b`),
    await named({ share: "17", headers: { Authorization: "Bearer a" } }),
    await named({ share: "17", headers: { Authorization: "Bearer b" } }),
    await named({ share: "17", headers, withCredentials: true }),
    await named({ share: "17", headers, method: "POST", body: "a" }),
    await named({ share: "17", headers, method: "POST", body: "b" }),
    await named({ share: true }),
    await named({ share: "true" }),
  ];
  assert.equal(new Set([same, ...others]).size, others.length + 1);
});

test("what is no text is no name, so that users with numbers for ids are not taken for one", async () => {
  for (const share of [17, 18, 1n, {}, ["a"]]) {
    const name = await shareName(URL, { share } as unknown as StreamOptions);
    assert.ok(name instanceof StreamError, String(share));
    assert.match(name.message, /String\(userId\)/);
  }
});

test("without a name nothing that cannot be compared is shared", async () => {
  const body = new Blob(["a"]);
  for (const options of [{ headers }, { fetch }, { withCredentials: true }, { body }]) {
    assert.ok((await shareName(URL, { share: true, ...options })) instanceof StreamError);
  }
  assert.ok((await shareName(() => URL, { share: true })) instanceof StreamError);
});
