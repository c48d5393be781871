// Small things for building pages. Text is always set as text, never as markup.

export const $ = (id) => document.getElementById(id);

/** Makes an element: el('p', { class: 'quiet' }, 'text', child). A function is a listener for the event of that name. */
export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(name, value);
    else if (value !== null && value !== undefined && value !== false) node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** A text that only screen readers see. */
export const unseen = (text) => el('span', { class: 'hidden' }, text);

const svgSpace = 'http://www.w3.org/2000/svg';

/** Makes an icon of the path of a 24 by 24 drawing. */
export function icon(path, attributes = {}) {
  const svg = document.createElementNS(svgSpace, 'svg');
  for (const [name, value] of Object.entries({ viewBox: '0 0 24 24', 'aria-hidden': 'true', ...attributes })) svg.setAttribute(name, value);
  const line = document.createElementNS(svgSpace, 'path');
  line.setAttribute('d', path);
  svg.append(line);
  return svg;
}

export const icons = {
  pin: 'M9 4h6l-1 6 3 3H7l3-3zM12 13v7',
  mute: 'M6 16h12l-2-3V9a4 4 0 00-8 0v4zM10.5 19h3M4 4l16 16',
  reply: 'M10 6L4 12l6 6M4 12h9a7 7 0 017 7',
  smile: 'M12 3.5a8.5 8.5 0 100 17 8.5 8.5 0 000-17zM8.5 14.5c1.8 2.2 5.2 2.2 7 0M9 9.5h.01M15 9.5h.01',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  archive: 'M4 5h16v4H4zM6 9v10h12V9M10 13h4',
  check: 'M4 12.5l5 5L20 6.5',
  double: 'M2 12.5l4.5 5L15 7M11 16l1.5 1.5L22 7',
  add: 'M10 4.5a3.5 3.5 0 100 7 3.5 3.5 0 000-7zM3.5 19c.6-3.2 3.2-5 6.5-5s5.9 1.8 6.5 5M19 7v6M16 10h6',
  settings: 'M4 7h9M17 7h3M15 5v4M4 12h3M11 12h9M9 10v4M4 17h9M17 17h3M15 15v4',
  lock: 'M6 11h12v9H6zM8.5 11V8a3.5 3.5 0 017 0v3',
  clock: 'M12 4a8 8 0 100 16 8 8 0 000-16zM12 8v4.5l3 2',
};

/**
 * Makes parent's children those of items, [{ key, sign, make }]: a child stays the same node as long as its key and
 * sign do, so focus and scrolling survive. A key may occur twice, as a message does that is shown while it is still being sent.
 */
export function reconcile(parent, items) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  const kept = new Set();
  let at = parent.firstElementChild;
  for (const { key, sign, make } of items) {
    let node = old.get(key);
    if (node?.dataset.sign !== sign) {
      const fresh = make();
      Object.assign(fresh.dataset, { key, sign });
      if (node) replace(node, fresh);
      if (node && node === at) at = fresh;
      node = fresh;
    }
    old.delete(key);
    kept.add(node);
    if (node === at) at = at.nextElementSibling;
    else parent.insertBefore(node, at);
  }
  for (const node of [...parent.children]) if (!kept.has(node)) node.remove();
}

/** Puts fresh in the place of node, with the focus that was in it. */
function replace(node, fresh) {
  const focused = node.contains(document.activeElement) ? document.activeElement : null;
  const path = [];
  for (let at = focused; at && at !== node; at = at.parentElement) path.unshift([...at.parentElement.children].indexOf(at));
  node.replaceWith(fresh);
  if (!focused) return;
  let target = fresh;
  for (const index of path) target = target.children[index] ?? target;
  if (target.tabIndex < 0 && target === fresh) target.tabIndex = -1;
  target.focus({ preventScroll: true });
}

/** One of eight colours for a name, the same everywhere. */
export function hue(name) {
  let hash = 2166136261;
  for (const char of name) hash = Math.imul(hash ^ char.codePointAt(0), 16777619);
  return (hash >>> 0) % 8;
}

const letters = (text) => [...text.replace(/^[^\p{L}\p{N}]+/u, '')];

/** The letters of an avatar: of the first and last word of a name. */
function initials(name) {
  const words = name.split(/[\s._,-]+/u).map(letters).filter((word) => word.length);
  if (!words.length) return '·';
  const wide = /\p{scx=Han}|\p{scx=Hangul}|\p{scx=Hira}/u.test(words[0][0]);
  return words.length > 1 && !wide ? words[0][0] + words.at(-1)[0] : words[0][0];
}

/** Makes node the avatar of a user or a group; of: { name, key (what the colour depends on), url, group, online }. */
export function avatar(node, { name, key = name, url = null, group = false, online = false }) {
  const sign = JSON.stringify([name, key, url, group, online]);
  if (node.dataset.of === sign) return node;
  node.dataset.of = sign;
  node.className = `avatar h${hue(key)}${group ? ' group' : ''}${online ? ' online' : ''}`;
  node.setAttribute('aria-hidden', 'true');
  node.replaceChildren(el('span', {}, initials(name)));
  if (url && /^https?:/.test(url)) {
    const image = el('img', { src: url, alt: '', referrerpolicy: 'no-referrer', decoding: 'async', loading: 'lazy' });
    image.addEventListener('error', () => image.remove());
    node.append(image);
  }
  return node;
}

/** Calls run after the present one, once however often it was asked for. */
export function later(run, delay = 16) {
  let timer = null;
  return () => {
    timer ??= setTimeout(() => {
      timer = null;
      run();
    }, delay);
  };
}
