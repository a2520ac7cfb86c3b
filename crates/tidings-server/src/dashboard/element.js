// Making an element with its class and text: text is never markup, so nothing an update carries can become any.

/** A new element. */
export function element(tag, className, text = '') {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = text;
  return made;
}
