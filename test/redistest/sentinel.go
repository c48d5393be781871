package redistest

import (
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"im/test/eventually"
)

// masterName is the name of the master that the Sentinels watch.
const masterName = "mymaster"

// SentinelSet is a master and a replica that three Sentinels watch. A master that is
// away is noticed after a second.
type SentinelSet struct {
	Servers   []*Server // at the start, the first is the master
	Sentinels []*Server
}

// StartSentinelSet starts a set. Config has lines of redis.conf for the servers, and
// sentinelConfig for the Sentinels.
func StartSentinelSet(t testing.TB, config, sentinelConfig []string) *SentinelSet {
	t.Helper()
	s := &SentinelSet{}
	for range 2 {
		s.Servers = append(s.Servers, StartServer(t, append([]string{"repl-diskless-sync-delay 0"}, config...)...))
	}
	host, port, err := net.SplitHostPort(s.Servers[0].address)
	require.NoError(t, err)
	s.Servers[1].Do(t, "replicaof", host, port)
	for range 3 {
		s.Sentinels = append(s.Sentinels, startSentinel(t, host, port, sentinelConfig))
	}
	eventually.NoError(t, "the Sentinels know the replica and one another", s.complete)
	return s
}

func startSentinel(t testing.TB, masterHost, masterPort string, config []string) *Server {
	t.Helper()
	s := newServer(t)
	s.args = []string{"--sentinel"}
	s.config = append([]string{
		"bind 127.0.0.1", "port " + s.port(), "dir " + s.dir, "unixsocket " + s.Socket(),
		fmt.Sprintf("sentinel monitor %s %s %s 2", masterName, masterHost, masterPort),
		"sentinel down-after-milliseconds " + masterName + " 1000",
		"sentinel failover-timeout " + masterName + " 4000",
	}, config...)
	s.Start(t)
	return s
}

func (s *SentinelSet) complete() error {
	for _, sentinel := range s.Sentinels {
		info, err := sentinel.try("info", "sentinel").Text()
		if err != nil {
			return err
		}
		if !strings.Contains(info, "status=ok") || !strings.Contains(info, "slaves=1,sentinels=3") {
			return fmt.Errorf("incomplete: %s", info)
		}
	}
	return nil
}

// URL returns the addresses of the Sentinels and the name of the master.
func (s *SentinelSet) URL() string { return s.with(s.Sentinels[0].URL()) }

// URLOf returns the URL with a user that the servers know and the Sentinels do not.
func (s *SentinelSet) URLOf(user, password string) string {
	return s.with(s.Sentinels[0].URLOf(user, password))
}

func (s *SentinelSet) with(url string) string {
	url += "?master_name=" + masterName
	for _, sentinel := range s.Sentinels[1:] {
		url += "&addr=" + sentinel.address
	}
	return url
}

// Used returns the Sentinel that a client of the set listens to.
func (s *SentinelSet) Used(t testing.TB) (used *Server) {
	t.Helper()
	eventually.True(t, "a client listens to a Sentinel", func() bool {
		for _, sentinel := range s.Sentinels {
			if text, err := sentinel.try("client", "list").Text(); err == nil && strings.Contains(text, " sub=2 ") {
				used = sentinel
			}
		}
		return used != nil
	})
	return used
}

// IsMaster reports whether the server answers that it is a master.
func (s *Server) IsMaster() bool {
	role, err := s.try("role").Slice()
	return err == nil && len(role) > 0 && role[0] == "master"
}

// Master returns the server that is the master for a Sentinel.
func (s *SentinelSet) Master(t testing.TB, sentinel int) *Server {
	t.Helper()
	answer, err := s.Sentinels[sentinel].try("sentinel", "get-master-addr-by-name", masterName).StringSlice()
	require.NoError(t, err)
	for _, server := range s.Servers {
		if server.address == net.JoinHostPort(answer[0], answer[1]) {
			return server
		}
	}
	require.FailNow(t, "an unknown master", "%v", answer)
	return nil
}
