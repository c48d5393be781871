// Package frametest is for tests: it validates WebSocket frames against
// asyncapi.yaml, their published description. A client's frame is validated as the
// description stands. A server's frame is validated more strictly than by clients,
// which ignore what they do not know: a field, an event type or a content type that
// is not described is an error.
package frametest
