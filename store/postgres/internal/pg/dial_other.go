//go:build !linux

package pg

import "syscall"

// userTimeout is of Linux only; elsewhere the deadlines of contexts do.
func userTimeout(string, string, syscall.RawConn) error { return nil }
