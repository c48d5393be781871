// Package environments tests whole nodes in the environments that adopters run them in:
// behind connection poolers and proxies, with clusters of Redis, with least rights.
//
// The tests start these servers themselves, from programs in PATH. Each file tests one
// environment; a file *_server_test.go starts its server.
package environments
