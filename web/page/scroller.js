// Where the messages are scrolled to. While the reader is at the end, the end stays in view; elsewhere, what the reader
// looks at stays where it is, whatever is drawn above or below it.

const nearEnd = 60; // pixels

export class Scroller {
  /** Whether the reader is at the end. */
  atEnd = true;
  #box;
  #list;
  #anchor = null; // { key, top }: the first item in view

  constructor(box, list) {
    this.#box = box;
    this.#list = list;
  }

  /** The distance to the beginning and to the end of what is drawn, in pixels. */
  get above() { return this.#box.scrollTop; }

  get below() { return this.#box.scrollHeight - this.#box.scrollTop - this.#box.clientHeight; }

  toEnd() {
    this.#box.scrollTop = this.#box.scrollHeight;
    this.atEnd = true;
    this.#anchor = null;
  }

  /** The reader, or this page, has scrolled. */
  scrolled() {
    this.atEnd = this.below < nearEnd;
    this.#remember();
  }

  #remember() {
    const first = this.#firstInView();
    this.#anchor = first && { key: first.dataset.key, top: first.getBoundingClientRect().top - this.#box.getBoundingClientRect().top };
  }

  /** Something is about to be drawn: returns what to call after it. */
  hold() {
    if (!this.atEnd) this.#remember();
    return () => this.settle();
  }

  /** Something was drawn, or has another size. */
  settle() {
    if (this.atEnd) {
      this.#box.scrollTop = this.#box.scrollHeight;
      return;
    }
    const node = this.#anchor && this.#item(this.#anchor.key);
    if (!node) return;
    const moved = node.getBoundingClientRect().top - this.#box.getBoundingClientRect().top - this.#anchor.top;
    if (Math.abs(moved) >= 1) this.#box.scrollTop += moved;
  }

  /** Scrolls an item into view: its beginning to the top, or its middle to the middle. */
  show(node, block) {
    node.scrollIntoView({ block });
    this.scrolled();
  }

  #item(key) {
    return this.#list.querySelector(`[data-key="${CSS.escape(key)}"]`);
  }

  /** The first item whose end is below the upper edge; items follow each other downwards. */
  #firstInView() {
    const { children } = this.#list;
    const edge = this.#box.getBoundingClientRect().top;
    let low = 0;
    let high = children.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (children[middle].getBoundingClientRect().bottom > edge) high = middle;
      else low = middle + 1;
    }
    while (low < children.length && children[low].dataset.seq === undefined) low++; // lines between days move
    return children[low] ?? null;
  }
}
