package bench

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of CPU time in /proc/PID/stat, on every Linux that Go runs on.
const tick = 10 * time.Millisecond

// usage is the CPU time that each part of the system has used so far. Parts on other
// machines are missing. Without /proc it is empty.
type usage map[string]time.Duration

// The parts, in the order in which they are shown.
const (
	partServer   = "server"
	partPostgres = "postgres"
	partRedis    = "redis"
	partRabbitMQ = "rabbitmq"
	partLoad     = "load"
)

// processes are the pids of each part.
type processes map[string][]int

// usage reads the CPU time of all parts. The pid of PostgreSQL is that of the
// postmaster: its live children are added, and it accounts for those that have ended.
func (p processes) usage() usage {
	u := usage{}
	for part, pids := range p {
		for _, pid := range pids {
			stat, ok := readStat(pid)
			if !ok {
				continue
			}
			u[part] += stat.own
			if part == partPostgres {
				u[part] += stat.children + childrenCPU(pid)
			}
		}
	}
	if stat, ok := readStat(os.Getpid()); ok {
		u[partLoad] = stat.own
	}
	return u
}

// per returns the CPU time of each part since an earlier reading, in µs, divided by
// count. unit is what count counts, for the metric's unit.
func (u usage) per(since usage, count int64, unit string) []Metric {
	if count == 0 {
		return nil
	}
	var metrics []Metric
	for _, part := range []string{partServer, partPostgres, partRedis, partRabbitMQ, partLoad} {
		if now, ok := u[part]; ok {
			metrics = append(metrics, Metric{part + "_cpu", "µs/" + unit, float64((now - since[part]).Microseconds()) / float64(count)})
		}
	}
	return metrics
}

// stat is the part of /proc/PID/stat that the benchmark needs.
type stat struct {
	parent        int
	own, children time.Duration // CPU time; of children only those that have ended
}

// readStat reads /proc/PID/stat. It returns false if there is no such process. The
// program's name in it is in parentheses, and may contain spaces and parentheses.
func readStat(pid int) (stat, bool) {
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	end := bytes.LastIndexByte(text, ')')
	if err != nil || end < 0 {
		return stat{}, false
	}
	fields := strings.Fields(string(text[end+1:]))
	if len(fields) < 15 {
		return stat{}, false
	}
	ticks := func(i int) time.Duration {
		n, _ := strconv.ParseInt(fields[i], 10, 64)
		return time.Duration(n) * tick
	}
	parent, _ := strconv.Atoi(fields[1])
	return stat{parent: parent, own: ticks(11) + ticks(12), children: ticks(13) + ticks(14)}, true
}

// childrenCPU returns the CPU time of the live children of a process.
func childrenCPU(parent int) (sum time.Duration) {
	for _, pid := range allProcesses() {
		if s, ok := readStat(pid); ok && s.parent == parent {
			sum += s.own
		}
	}
	return sum
}

func allProcesses() (pids []int) {
	entries, _ := os.ReadDir("/proc")
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// named returns the pids of a program. The kernel truncates its name to 15 bytes.
func named(name string) (pids []int) {
	for _, pid := range allProcesses() {
		if nameOf(pid) == name {
			pids = append(pids, pid)
		}
	}
	return pids
}

func nameOf(pid int) string {
	text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "comm"))
	return strings.TrimSpace(string(text))
}

// resident returns the resident memory of processes, in KiB.
func resident(pids []int) (kib int64) {
	for _, pid := range pids {
		text, _ := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
				n, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
				kib += n
			}
		}
	}
	return kib
}
