package devservices

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// identity is as whom PostgreSQL runs. It refuses to be root, and to be a user
// without a name, so there are three ways:
//
//	as ourselves          an ordinary user
//	in a user namespace   root, or a user without a name: files stay ours, and
//	                      inside the namespace we are called nobody
//	as another account    root where namespaces are forbidden: files are that
//	                      account's, somewhere that it can reach
type identity struct {
	account   *account // nil: as ourselves
	namespace bool
}

type account struct{ uid, gid int }

// stateDir is where root keeps data that the server cannot reach in place.
const stateDir = "/var/lib/im"

func chooseIdentity(ctx context.Context, noNamespace bool) (identity, error) {
	root := os.Geteuid() == 0
	if _, err := user.LookupId(strconv.Itoa(os.Geteuid())); err == nil && !root {
		return identity{}, nil
	}
	named, err := unprivileged()
	if err != nil {
		return identity{}, err
	}
	if id := (identity{account: named, namespace: true}); !noNamespace && id.works(ctx) {
		return id, nil
	}
	if !root {
		return identity{}, fmt.Errorf("PostgreSQL needs a user with a name: %d has none, and user namespaces are not allowed here", os.Geteuid())
	}
	return identity{account: named}, nil
}

// unprivileged finds the account to be instead of root.
func unprivileged() (*account, error) {
	for _, name := range []string{"postgres", "nobody"} {
		u, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, err1 := strconv.Atoi(u.Uid)
		gid, err2 := strconv.Atoi(u.Gid)
		if err1 == nil && err2 == nil && uid != 0 {
			return &account{uid: uid, gid: gid}, nil
		}
	}
	return nil, errors.New("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody to run it as")
}

// works tells whether the system lets us be id.
func (id identity) works(ctx context.Context) bool {
	probe := exec.CommandContext(ctx, "/bin/sh", "-c", ":")
	id.apply(probe)
	return probe.Run() == nil
}

// apply makes cmd run as id: in a process group of its own, without settings of
// ours that PostgreSQL would take for its own.
func (id identity) apply(cmd *exec.Cmd) {
	cmd.Dir = "/"
	cmd.Env = []string{"LC_ALL=C", "TZ=UTC"}
	for _, kv := range os.Environ() {
		if name, _, _ := strings.Cut(kv, "="); !strings.HasPrefix(name, "PG") && !strings.HasPrefix(name, "LC_") && name != "TZ" {
			cmd.Env = append(cmd.Env, kv)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	switch {
	case id.account == nil:
	case id.namespace:
		enterNamespace(cmd.SysProcAttr, *id.account)
	default:
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(id.account.uid), Gid: uint32(id.account.gid)}
	}
}

// owner is to whom the server's files belong.
func (id identity) owner() account {
	if id.account == nil || id.namespace {
		return account{uid: os.Geteuid(), gid: os.Getegid()}
	}
	return *id.account
}

// home is the folder name in dir, or, where the server cannot reach dir, one
// that stands for it elsewhere.
func (id identity) home(dir, name string) (string, error) {
	if os.Geteuid() == 0 && !reachable(dir, id.owner()) {
		sum := sha256.Sum256([]byte(dir))
		dir = filepath.Join(stateDir, hex.EncodeToString(sum[:6]))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
	}
	return filepath.Join(dir, name), nil
}

// reachable tells whether a, with no privilege, may enter dir and all above it.
func reachable(dir string, a account) bool {
	for ; ; dir = filepath.Dir(dir) {
		info, err := os.Stat(dir)
		if err != nil {
			return false
		}
		enter := fs.FileMode(0o001)
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			switch {
			case int(st.Uid) == a.uid:
				enter = 0o100
			case int(st.Gid) == a.gid:
				enter = 0o010
			}
		}
		if info.Mode()&enter == 0 {
			return false
		}
		if dir == filepath.Dir(dir) {
			return true
		}
	}
}

// own gives the tree at path to the server's user, if it is not his already:
// after a change from one identity to another.
func (id identity) own(path string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	want := id.owner()
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok && int(st.Uid) == want.uid {
		return nil
	}
	return filepath.WalkDir(path, func(file string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(file, want.uid, want.gid)
	})
}
