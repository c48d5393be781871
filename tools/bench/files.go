package bench

import (
	"fmt"
	"slices"
	"syscall"
)

const spareFiles = 500 // beside the sockets

// sockets is how many a measurement opens at most.
func (o Options) sockets(chosen []work) int {
	most := 2 * max(o.Pairs, directPairs)
	if slices.ContainsFunc(chosen, func(w work) bool { return w.name == "idle" }) {
		most = max(most, orDefault(o.Sockets, idleSockets))
	}
	return max(most, o.Sockets, bigOnline, min(o.Members, bigMembers))
}

// allowFiles raises the limit of open files, of this process and of those that
// it starts. Where that is forbidden, it says what to do.
func allowFiles(n int) error {
	need := uint64(n + spareFiles)
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if limit.Cur >= need {
		return nil
	}
	limit.Cur, limit.Max = need, max(limit.Max, need)
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return fmt.Errorf("%d open files are needed (ulimit -n): %w", need, err)
	}
	return nil
}
