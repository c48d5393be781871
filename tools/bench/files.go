package bench

import (
	"cmp"
	"fmt"
	"slices"
	"syscall"
)

const spareFiles = 500 // open files other than the sockets

// sockets returns the most sockets that the chosen workloads open.
func (o Options) sockets(chosen []workload) int {
	most := 2 * max(o.Pairs, directPairs)
	if slices.ContainsFunc(chosen, func(w workload) bool { return w.name == "idle" }) {
		most = max(most, cmp.Or(o.Sockets, idleSockets))
	}
	return max(most, o.Sockets, bigOnline, min(o.Members, bigMembers))
}

// allowFiles raises the limit of open files of this process and of the processes that
// it starts. Its error says what to do where that is forbidden.
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
