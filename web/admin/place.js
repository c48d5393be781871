// Where the operator is, in the fragment of the page's URL, so that a link leads others there. No server sees it, and
// a token is never in it.
//
//   #/                                  the cluster
//   #/users, #/users/USER               a user
//   #/conversations, #/conversations/ID its messages; ?as_of=SEQ as they were then, ?at=SEQ with the trace of one
//   #/conversations/ID/events           its log; ?before=SEQ from there down
//   #/reports?state=STATE               reports in a state
//   #/webhooks, #/webhooks/ID           a webhook; ?state=STATE its deliveries in a state

/** @typedef {{parts: string[], query: Record<string, string>}} Place */

/** @returns {Place} */
export function parse(hash) {
  const [names = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  return { parts: names.split('/').filter(Boolean).map(decoded), query: Object.fromEntries(new URLSearchParams(query)) };
}

function decoded(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part; // as it was typed; nothing has such an id
  }
}

/** The fragment of a place: format(['users', id], { … }). What is undefined or empty is left out of the query. */
export function format(parts, query = {}) {
  const text = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined && value !== null && value !== '')).toString();
  return `#/${parts.map(encodeURIComponent).join('/')}${text && `?${text}`}`;
}

/** A seq in a query, or undefined for anything else. */
export const seqOf = (text) => (/^[1-9]\d{0,15}$/.test(text ?? '') && Number.isSafeInteger(Number(text)) ? Number(text) : undefined);
