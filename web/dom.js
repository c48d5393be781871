// Small things for building pages. Text is always set as text, never as markup.

export const $ = (id) => document.getElementById(id);

/** Makes an element: el('p', { class: 'quiet' }, 'text', child). */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

/**
 * Makes parent's children those of items, [{ key, sign, make }]: a child stays
 * the same node as long as its key and sign do, so focus and scrolling survive.
 */
export function reconcile(parent, items) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let at = parent.firstElementChild;
  for (const { key, sign, make } of items) {
    let node = old.get(key);
    if (node?.dataset.sign !== sign) {
      const fresh = make();
      Object.assign(fresh.dataset, { key, sign });
      if (node) {
        if (node === at) at = fresh;
        node.replaceWith(fresh);
      }
      node = fresh;
    }
    old.delete(key);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  for (const node of old.values()) node.remove();
}

/** One of eight colours for a name, the same everywhere. */
export function hue(name) {
  let hash = 2166136261;
  for (const char of name) hash = Math.imul(hash ^ char.codePointAt(0), 16777619);
  return (hash >>> 0) % 8;
}

/** Makes node the avatar of a user or group. */
export function avatar(node, name, group = false) {
  node.className = `avatar h${hue(name)}${group ? ' group' : ''}`;
  node.textContent = [...name.replace(/^[^\p{L}\p{N}]+/u, '')][0] ?? '·';
  node.setAttribute('aria-hidden', 'true');
  return node;
}

const time = new Intl.DateTimeFormat(undefined, { hour: 'numeric', minute: '2-digit' });
const weekday = new Intl.DateTimeFormat(undefined, { weekday: 'short' });
const date = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const longDate = new Intl.DateTimeFormat(undefined, { weekday: 'long', day: 'numeric', month: 'long', year: 'numeric' });

export const clock = (at) => time.format(new Date(at));

export function day(at) {
  const then = new Date(at);
  const days = daysAgo(then);
  return days === 0 ? 'Today' : days === 1 ? 'Yesterday' : longDate.format(then);
}

/** The shortest form that says when it was. */
export function when(at) {
  const then = new Date(at);
  const days = daysAgo(then);
  return days === 0 ? time.format(then) : days < 7 ? weekday.format(then) : date.format(then);
}

function daysAgo(then) {
  const midnight = (d) => new Date(d.getFullYear(), d.getMonth(), d.getDate()).getTime();
  return Math.round((midnight(new Date()) - midnight(then)) / 86_400_000);
}
