// Package im holds what lies at the top of the module and belongs into the
// program: the published form of the contract. The command is in cmd/im.
package im

import _ "embed"

//go:embed openapi.yaml
var openAPI []byte

//go:embed asyncapi.yaml
var asyncAPI []byte

// OpenAPI returns openapi.yaml, the description of the REST API.
func OpenAPI() []byte { return openAPI }

// AsyncAPI returns asyncapi.yaml, the description of the WebSocket.
func AsyncAPI() []byte { return asyncAPI }
