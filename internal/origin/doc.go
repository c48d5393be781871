// Package origin decides which web pages may use a node from a browser.
//
// A browser names the origin of a page in the header Origin. Origins are compared as
// RFC 6454 says: by scheme, host and port, without regard to the case of letters, with
// the default port of the scheme, and with names in their ASCII form. A page may connect
// if it comes from the node itself or from an origin that the operator allows.
//
// A Policy holds these rules. WebSockets and CORS ask the same Policy.
package origin
