// Copying text, also where the page is not a secure context and the clipboard interface is missing.

/** How long a button says that it has copied. */
const SAID_FOR_MS = 1_500;

/** Copies the text and says so on the button. */
export async function copy(text, button) {
  const words = button.textContent;
  const done = await write(text);
  button.textContent = done ? 'Copied' : 'Not allowed';
  button.disabled = true;
  setTimeout(() => {
    button.textContent = words;
    button.disabled = false;
  }, SAID_FOR_MS);
}

async function write(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    return writeSelected(text);
  }
}

/** The older way: a selected text field. */
function writeSelected(text) {
  const field = document.createElement('textarea');
  field.value = text;
  field.className = 'unseen';
  document.body.append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  return done;
}
