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

// identity is the user that PostgreSQL runs as. PostgreSQL refuses to run as root or as
// a user without a name, so there are three ways:
//
//	the same user         for an ordinary user
//	a user namespace      for root, or a user without a name: the files belong to the
//	                      present user, who has another name inside the namespace
//	another account       for root where namespaces are forbidden: the files belong to
//	                      that account, in a folder that it can reach
type identity struct {
	account   *account // nil for the same user
	namespace bool     // use account only inside a user namespace
}

type account struct{ uid, gid int }

// stateDir is the folder for data of root that the server could not reach in its own
// place.
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
	if id := (identity{account: named, namespace: true}); !noNamespace && id.isPossible(ctx) {
		return id, nil
	}
	if !root {
		return identity{}, fmt.Errorf("PostgreSQL needs a user with a name: user %d has none, and user namespaces are forbidden here", os.Geteuid())
	}
	return identity{account: named}, nil
}

// unprivileged returns an account to use instead of root.
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
	return nil, errors.New("PostgreSQL refuses to run as root, and there is neither a user \"postgres\" nor \"nobody\" to run it as")
}

// isPossible reports whether the system permits this identity.
func (id identity) isPossible(ctx context.Context) bool {
	probe := exec.CommandContext(ctx, "/bin/sh", "-c", ":")
	id.apply(probe)
	return probe.Run() == nil
}

// apply makes cmd run as id. The process has a group of its own, and none of the
// environment variables that change how PostgreSQL behaves.
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

// owner returns the account that owns the files of the server.
func (id identity) owner() account {
	if id.account == nil || id.namespace {
		return account{uid: os.Geteuid(), gid: os.Getegid()}
	}
	return *id.account
}

// home returns the folder name in dir. If the server cannot reach dir, it returns a
// folder in stateDir whose name is derived from dir.
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

// reachable reports whether an account without privileges may enter dir and all folders
// above it.
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

// own changes the owner of the tree at path to the user of the server, if it differs. It
// does so after a change from one identity to another.
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
