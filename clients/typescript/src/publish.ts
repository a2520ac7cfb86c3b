/** What `import ... from "tidings/publish"` offers: the sending half, for backends. */

export {};
