// What a token says of itself, as far as a page can tell: it does not check the signature.

/**
 * The claims of a token, or null for something else.
 * @param {string} token
 * @returns {?{sub?: string, exp?: number, scope?: string}}
 */
export function claimsOf(token) {
  try {
    const bytes = Uint8Array.from(atob(token.split('.')[1].replaceAll('-', '+').replaceAll('_', '/')), (char) => char.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === 'object' ? claims : null;
  } catch {
    return null;
  }
}
