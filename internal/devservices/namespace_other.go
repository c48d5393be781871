//go:build !linux

package devservices

import "syscall"

// enterNamespace asks for what only Linux has: Setsid together with Setpgid
// is refused, so the identity does not work and the next one is taken.
func enterNamespace(attr *syscall.SysProcAttr, _ account) { attr.Setsid = true }
