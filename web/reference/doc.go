// Package reference serves the API reference at /docs: one page about every REST call, every
// frame of the WebSocket and every schema. It renders the page from openapi.yaml and
// asyncapi.yaml when it is first asked for, so the page is as current as they are.
//
//	document.go  reads a YAML document and resolves its references
//	schema.go    describes a schema in words and rows
//	rest.go      the operations of openapi.yaml
//	frames.go    the frames of asyncapi.yaml
//	page.html    the template; reference.css and reference.js belong to it
//
// All URLs of the page are relative, so that it works under a path prefix. It loads
// nothing from other servers.
package reference
