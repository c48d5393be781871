// The address of what is open, in the fragment of the page's URL: it holds below any
// path, and no server sees it.
//
//   #/c/CONVERSATION        a conversation
//   #/c/CONVERSATION/SEQ    a message in it
//   #/to/USER               a direct conversation that may not exist yet

/**
 * @typedef {object} Place
 * @property {string} [id] of a conversation
 * @property {number} [seq] of a message
 * @property {string} [to] a user
 */

/** @returns {?Place} */
export function parse(hash) {
  const [, kind, name, seq, ...rest] = hash.replace(/^#/, '').split('/');
  if (rest.length || !name) return null;
  if (kind === 'to' && seq === undefined) return decoded(name);
  if (kind !== 'c' || !/^[0-9a-f-]{36}$/i.test(name)) return null;
  if (seq === undefined) return { id: name };
  return /^[1-9]\d{0,15}$/.test(seq) ? { id: name, seq: Number(seq) } : null;
}

function decoded(name) {
  try {
    return { to: decodeURIComponent(name) };
  } catch {
    return null;
  }
}

/** @param {?Place} place */
export function format(place) {
  if (place?.id) return `#/c/${place.id}${place.seq ? `/${place.seq}` : ''}`;
  return place?.to ? `#/to/${encodeURIComponent(place.to)}` : '#/';
}

/** The address of a place for others: without what the query says of this user. */
export const address = (place) => location.origin + location.pathname + format(place);

/** Shows in the address bar where the page is; a new entry of the browser's history if asked. */
export function show(place, { replace = false } = {}) {
  const hash = format(place);
  if (hash === location.hash || (hash === '#/' && !location.hash)) return;
  history[replace ? 'replaceState' : 'pushState'](null, '', hash);
}
