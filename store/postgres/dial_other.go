//go:build !linux

package postgres

import "syscall"

// userTimeout is of Linux only; elsewhere the deadlines of contexts do.
func userTimeout(string, string, syscall.RawConn) error { return nil }
