// Package rest serves the HTTP half of the contract: the operations under /v1
// that openapi.yaml describes, and the endpoints for operators.
//
// The way of a call:
//
//	Server.ServeHTTP   common headers, CORS, the path as http.ServeMux needs it
//	handler.routes     the table of operations: method, path, rate class, function
//	admission.admit    token, rate limit, number of calls in flight
//	handler.<op>       reads parameters and body with a request, calls the Backend
//	Server.fail        turns every error into a problem document
//
// To add an operation, describe it in openapi.yaml, add a line to routes and a
// method to handler. Tests hold the table, the parameters and the body fields
// against openapi.yaml in both directions. Answers are encoded by the domain, so
// that an event has the same bytes here and on a WebSocket.
//
// What it promises:
//
//   - I1: 201 for a message is written only after the log has committed it.
//   - I8: without a valid token the only answer is 401. What the domain reports as
//     not found is 404, and the answer does not show why.
//   - I9: a body is read up to a limit, after its token was checked. A user has at
//     most requests_in_flight calls in flight on a node.
//   - Every refusal is a problem document (RFC 9457) with a code of the contract.
//     Requests are taken literally: a wrong, repeated or unknown name is refused
//     and never ignored, a value outside its range is refused and never clamped.
package rest
