package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// dev starts im dev on any port and waits until it greets.
func dev(t *testing.T, data string, args ...string) *program {
	t.Helper()
	p := start(t, nil, append([]string{"dev", "--addr", "127.0.0.1:0", "--data", data}, args...)...)
	p.says("Ctrl-C stops it")
	return p
}

// printed returns the commands to send and to read that im dev has printed.
func printed(t *testing.T, p *program) (send, read string) {
	t.Helper()
	commands := regexp.MustCompile(`(?m)^ +(curl .*)$`).FindAllStringSubmatch(p.out.String(), -1)
	require.Len(t, commands, 2, p.out)
	return commands[0][1], commands[1][1]
}

// shell runs a command as it was printed.
func shell(t *testing.T, command string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", strings.Replace(command, "curl ", "curl -sSf --max-time 20 ", 1)).CombinedOutput()
	require.NoError(t, err, "%s\n%s", command, out)
	return string(out)
}

// TestDev follows a newcomer: start, send and read with the printed commands,
// stop with Ctrl-C, start again.
func TestDev(t *testing.T) {
	t.Parallel()
	data := filepath.Join(shortDir(t), "data")
	p := dev(t, data)
	send, read := printed(t, p)
	require.Contains(t, shell(t, send), `"message.posted"`)
	require.Contains(t, shell(t, read), "Hello, Bob")
	for _, want := range []string{"alice", "bob", "carol", "http://127.0.0.1:", "ws://127.0.0.1:", data} {
		require.Contains(t, p.out.String(), want)
	}

	second := start(t, nil, "dev", "--addr", "127.0.0.1:0", "--data", data)
	require.Equal(t, 2, second.wait())
	require.Contains(t, second.err.String(), "in use")

	require.True(t, exists(presencePath(data)))
	p.signal(os.Interrupt)
	require.Equal(t, 0, p.wait(), p.err)
	require.False(t, exists(presencePath(data)))
	requireNoServer(t, data)

	p = dev(t, data)
	_, read = printed(t, p)
	require.Contains(t, shell(t, read), "Hello, Bob", "data is kept")
	send, _ = printed(t, p)
	require.Contains(t, shell(t, strings.Replace(send, "$(date +%s)", "again", 1)), `"seq":3`)

	p.signal(syscall.SIGKILL)
	require.Equal(t, -1, p.wait())
	p = dev(t, data) // at once: what the killed one left is put away
	_, read = printed(t, p)
	require.Contains(t, shell(t, read), `"head_seq":3`)
	p.signal(syscall.SIGTERM)
	require.Equal(t, 0, p.wait(), p.err)
}

// TestDevNodes: what is sent on one node is pushed on the other, as on machines
// of their own.
func TestDevNodes(t *testing.T) {
	t.Parallel()
	p := dev(t, filepath.Join(shortDir(t), "data"), "--nodes", "2", "--ephemeral")
	urls := readPresenceOf(t, p)
	require.Len(t, urls, 2)
	tokenOf := func(user string) string {
		found := regexp.MustCompile(`(?m)^ +` + user + ` +(\S+)$`).FindStringSubmatch(p.out.String())
		require.NotNil(t, found, p.out)
		return found[1]
	}
	bob := attachWith(t, strings.TrimPrefix(urls[1], "http://"), "phone", tokenOf("bob"))
	send, _ := printed(t, p)
	require.Contains(t, send, urls[0])
	shell(t, send)
	expect(t, bob, "conversation")
	expect(t, bob, "event")
	p.signal(os.Interrupt)
	require.Equal(t, 0, p.wait(), p.err)
}

func TestDevEphemeral(t *testing.T) {
	t.Parallel()
	temp := shortDir(t)
	p := start(t, []string{"TMPDIR=" + temp}, "dev", "--addr", "127.0.0.1:0", "--ephemeral")
	p.says("Ctrl-C stops it")
	entries, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	p.signal(os.Interrupt)
	require.Equal(t, 0, p.wait(), p.err)
	entries, err = os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// TestDevPort: the default port is not insisted on; the one beside it will do.
func TestDevPort(t *testing.T) {
	t.Parallel()
	a := start(t, nil, "dev", "--ephemeral")
	b := start(t, nil, "dev", "--ephemeral")
	a.says("Ctrl-C stops it")
	b.says("Ctrl-C stops it")
	at := regexp.MustCompile(`web chat +(\S+)`)
	first, second := at.FindStringSubmatch(a.out.String()), at.FindStringSubmatch(b.out.String())
	require.NotNil(t, first)
	require.NotNil(t, second)
	require.NotEqual(t, first[1], second[1])
	for _, p := range []*program{a, b} {
		p.signal(os.Interrupt)
		require.Equal(t, 0, p.wait(), p.err)
	}
}

// TestDevAsAnotherUser: as root the tests above have shown it for root; here it
// is an ordinary user, in an odd time zone.
func TestDevAsAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("not root: the other tests are an ordinary user's")
		return
	}
	const nobody = 65534
	dir := shortDir(t)
	data := filepath.Join(dir, "data")
	require.NoError(t, os.Mkdir(data, 0o700))
	require.NoError(t, os.Chown(data, nobody, nobody))
	binary := filepath.Join(dir, "im")
	copyFile(t, os.Args[0], binary)
	p := startAs(t, &syscall.Credential{Uid: nobody, Gid: nobody}, binary, []string{"TZ=Pacific/Chatham", "HOME=/nonexistent"},
		"dev", "--addr", "127.0.0.1:0", "--data", data)
	p.says("Ctrl-C stops it")
	send, read := printed(t, p)
	shell(t, send)
	require.Contains(t, shell(t, read), time.Now().UTC().Format("2006-01-02T"))
	p.signal(os.Interrupt)
	require.Equal(t, 0, p.wait(), p.err)
}

// copyFile makes a program of another one. Where it can be linked, it is not written: a
// program that any process of a fork has open to be written cannot be run.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	if os.Link(from, to) == nil {
		return
	}
	in, err := os.Open(from)
	require.NoError(t, err)
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY, 0o755)
	require.NoError(t, err)
	_, err = io.Copy(out, in)
	require.NoError(t, err)
	require.NoError(t, out.Close())
}

// requireNoServer: nothing of a PostgreSQL is left running on the data.
func requireNoServer(t *testing.T, data string) {
	t.Helper()
	require.False(t, exists(data, "postgres", "postmaster.pid"))
}

func readPresenceOf(t *testing.T, p *program) (urls []string) {
	t.Helper()
	for _, found := range regexp.MustCompile(`(?m)^ +(?:web chat|node \d+) +(\S+)$`).FindAllStringSubmatch(p.out.String(), -1) {
		urls = append(urls, found[1])
	}
	return urls
}
