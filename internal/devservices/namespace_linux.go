package devservices

import (
	"os"
	"syscall"
)

// enterNamespace makes us a inside a new user namespace. For the rest of the
// system we are who we were.
func enterNamespace(attr *syscall.SysProcAttr, a account) {
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: a.uid, HostID: os.Geteuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: a.gid, HostID: os.Getegid(), Size: 1}}
}
