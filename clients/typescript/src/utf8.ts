/** Bytes to text, chunk by chunk. */

/** Decodes UTF-8 that comes in chunks. Ill-formed bytes become U+FFFD, a byte order mark stays. */
export class Utf8 {
  /**
   * One decoder for what is whole in itself, one for the rest. Node has a much faster one for whole ASCII text than for
   * streams, and a slower one for other text (measured with Node 20: five times and half the speed).
   */
  readonly #whole = new TextDecoder("utf-8", { ignoreBOM: true });
  readonly #stream = new TextDecoder("utf-8", { ignoreBOM: true });
  /** Whether the last chunk was of one-byte characters, and left nothing in `#stream`. */
  #isPlain = true;

  decode(chunk: Uint8Array): string {
    const last = chunk[chunk.length - 1];
    if (last === undefined) return "";
    const endsPlain = last < 0x80;
    const text =
      this.#isPlain && endsPlain
        ? this.#whole.decode(chunk)
        : this.#stream.decode(chunk, { stream: true });
    this.#isPlain = endsPlain && text.length === chunk.length;
    return text;
  }
}
