package devservices

import (
	"os"
	"syscall"
)

// enterNamespace starts the process in a new user namespace, in which its user is a.
// For the rest of the system the process belongs to the present user.
func enterNamespace(attr *syscall.SysProcAttr, a account) {
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: a.uid, HostID: os.Geteuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: a.gid, HostID: os.Getegid(), Size: 1}}
}
