// Package proxytest is a TCP proxy between a test and a service, with faults that a test
// chooses: it cuts, holds, slows or loses connections. It can also cut or hold exactly
// the answer to a request that contains a marker. That is how a test loses the answer to
// a commit. The package is for tests only.
package proxytest
