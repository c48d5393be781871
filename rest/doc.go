// Package rest is the HTTP half of the contract: /v1 as openapi.yaml describes
// it, and the endpoints for those who run the system.
//
// The server is generated from openapi.yaml (package api; `go generate ./rest`
// makes it anew). Generated code finds the operation, checks the token's
// presence, and reads parameters and bodies into types, refusing what the
// description does not allow. Answers are the domain's own JSON, so that an
// event is the same bytes here and on a WebSocket.
//
// The package promises:
//   - I1: 201 for a message is written after the log's answer only;
//   - I8: without a good token there is no answer but 401, and what the domain
//     calls not found is 404, with nothing in it that tells why;
//   - I9: bodies are read up to a bound, after the token was checked, and a user
//     has at most requests_in_flight calls under way on a node;
//   - every refusal is a problem (RFC 9457) with the contract's code.
package rest
