// Package forwarded reads what proxies in front of a node say about a request: the
// address of the client, the host that it asked for, and whether it used TLS.
//
// Proxies say it in X-Forwarded-For, X-Forwarded-Host, X-Forwarded-Port and
// X-Forwarded-Proto, or in Forwarded (RFC 7239). A client can send these headers as
// well, so only those of trusted proxies count.
package forwarded
