// A set of names as removable chips with a form to add to it: used for topics and for event types.

/** A hub refuses more selectors than this anyway; it keeps the address short. */
const MAX_CHIPS = 50;

/** Calls `onAdd(name)` and `onRemove(name)` when the reader changes the set. */
export class Chips {
  #list;
  #names = new Map();
  #attribute;
  #on;

  /** `attribute` is the data attribute of a chip (`topic` gives `data-topic`). */
  constructor({ list, form, attribute, onAdd, onRemove }) {
    this.#list = list;
    this.#attribute = attribute;
    this.#on = { onAdd, onRemove };
    const input = form.querySelector('input');
    form.addEventListener('submit', (event) => {
      event.preventDefault();
      const name = input.value.trim();
      input.value = '';
      if (this.add(name)) this.#on.onAdd(name);
    });
  }

  /** The names, in the order they were added. */
  get names() {
    return [...this.#names.keys()];
  }

  /** Adds a chip without telling; false if it is there already, or is no name. */
  add(name, { fixed = false } = {}) {
    if (name === '' || this.#names.has(name) || this.#names.size >= MAX_CHIPS) return false;
    const chip = document.createElement('li');
    chip.className = 'chip mono';
    chip.dataset[this.#attribute] = name;
    const text = document.createElement('span');
    text.textContent = name;
    text.title = name;
    chip.append(text);
    if (!fixed) chip.append(this.#remover(name));
    this.#names.set(name, chip);
    this.#list.append(chip);
    return true;
  }

  #remover(name) {
    const button = document.createElement('button');
    button.type = 'button';
    button.textContent = '×';
    button.setAttribute('aria-label', `Remove ${name}`);
    button.addEventListener('click', () => {
      this.#names.get(name).remove();
      this.#names.delete(name);
      this.#on.onRemove(name);
    });
    return button;
  }
}
