/** What `import ... from "tidings"` offers: the receiving half. */

export { type ParsedEvent, Parser, type ParserHandlers, TooLargeError } from "./parser.js";
