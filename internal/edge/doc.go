// Package edge holds what the REST and the WebSocket edge have in common: how
// an error becomes a coded error, how that becomes a problem document, how refusals
// are logged, where a request has its token, and the rate limiter that both consult.
package edge
