//go:build !linux

package devservices

import "syscall"

// enterNamespace makes the start of the process fail, because only Linux has user
// namespaces: Setsid with Setpgid is refused. So another identity is chosen.
func enterNamespace(attr *syscall.SysProcAttr, _ account) { attr.Setsid = true }
