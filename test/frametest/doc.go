// Package frametest is for tests: it judges frames of the WebSocket by
// asyncapi.yaml, their published description. A client's frame is judged as the
// description stands; a server's more strictly than by clients, who ignore what
// they do not know: a field, an event type or a content type that is not
// described is an error.
package frametest
