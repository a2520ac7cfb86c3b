/**
 * A parser written from the text of WHATWG HTML 9.2.5 and 9.2.6 as it stands, sentence by sentence, for streams that are
 * there as a whole: what the real one is compared with.
 */

import type { Finding } from "./findings.js";

export function parseNaively(
  stream: Uint8Array,
  seed = "",
): { findings: Finding[]; lastEventId: string } {
  const findings: Finding[] = [];
  let data = "";
  let eventType = "";
  let lastEventIdBuffer = seed;
  let lastEventId = seed;
  let hasId = false;

  // "Streams must be decoded using the UTF-8 decode algorithm", which strips one byte order mark.
  const text = new TextDecoder().decode(stream);
  // "Lines must be separated by CRLF, LF or CR"; what has no end yet is not a line.
  const lines = text.split(/\r\n|\n|\r/).slice(0, -1);

  for (const line of lines) {
    const colon = line.indexOf(":");
    if (line === "") dispatch();
    else if (colon === 0) findings.push({ comment: withoutSpace(line.slice(1)) });
    else if (colon > 0) processField(line.slice(0, colon), withoutSpace(line.slice(colon + 1)));
    else processField(line, "");
  }
  return { findings, lastEventId };

  function withoutSpace(value: string): string {
    return value.startsWith(" ") ? value.slice(1) : value;
  }

  function processField(name: string, value: string): void {
    switch (name) {
      case "event":
        eventType = value;
        break;
      case "data":
        data = `${data}${value}\n`;
        break;
      case "id":
        if (value.includes("\0")) break;
        lastEventIdBuffer = value;
        hasId = true;
        break;
      case "retry":
        if (value === "" || [...value].some((digit) => digit < "0" || digit > "9")) break;
        findings.push({ retry: Math.min(Number.parseInt(value, 10), Number.MAX_SAFE_INTEGER) });
    }
  }

  function dispatch(): void {
    lastEventId = lastEventIdBuffer;
    if (hasId) findings.push({ id: lastEventId });
    hasId = false;
    if (data !== "") {
      findings.push({ event: eventType || "message", data: data.slice(0, -1), id: lastEventId });
    }
    data = "";
    eventType = "";
  }
}
