package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// talker is an im chat without a terminal.
type talker struct {
	t        *testing.T
	cmd      *exec.Cmd
	in       io.WriteCloser
	out, err *buffer
}

func startChat(t *testing.T, url string, args ...string) *talker {
	t.Helper()
	p := &talker{t: t, out: &buffer{}, err: &buffer{}}
	p.cmd = exec.Command(os.Args[0], append([]string{"chat", "--url", url}, args...)...)
	p.cmd.Env = append(os.Environ(), asProgram+"=1", "IM_JWT_SECRET=", "IM_TOKEN=")
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.err
	var err error
	p.in, err = p.cmd.StdinPipe()
	require.NoError(t, err)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { _ = p.cmd.Process.Kill() })
	return p
}

func (p *talker) say(lines ...string) {
	p.t.Helper()
	for _, line := range lines {
		_, err := fmt.Fprintln(p.in, line)
		require.NoError(p.t, err)
	}
}

// shows waits until exactly these lines were printed.
func (p *talker) shows(lines ...string) {
	p.t.Helper()
	want := strings.Join(lines, "\n") + "\n"
	deadline := time.Now().Add(patience)
	for len(p.out.String()) < len(want) && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	require.Equal(p.t, want, p.out.String(), "%s", p.err)
}

// notes waits until a note was written beside the messages.
func (p *talker) notes(text string) {
	p.t.Helper()
	require.Eventually(p.t, func() bool { return strings.Contains(p.err.String(), text) }, patience, 10*time.Millisecond, text)
}

// leave ends the input; the command ends by itself.
func (p *talker) leave() {
	p.t.Helper()
	require.NoError(p.t, p.in.Close())
	require.NoError(p.t, p.cmd.Wait(), "%s", p.err)
}

// TestChat_plain holds a conversation of two, one of whom is away for a while,
// while the server is killed and started again: everything once and in order.
func TestChat_plain(t *testing.T) {
	t.Parallel()
	data := filepath.Join(shortDir(t), "data")
	server := dev(t, data)
	url := readPresenceOf(t, server)[0]

	alice := startChat(t, url, "--user", "alice", "--to", "bob")
	alice.say("hello", "are you there?")
	alice.shows("alice: hello", "alice: are you there?")
	bob := startChat(t, url, "--user", "bob", "--to", "alice")
	bob.shows("alice: hello", "alice: are you there?")
	bob.notes("· new")
	bob.say("yes")
	alice.shows("alice: hello", "alice: are you there?", "bob: yes")
	bob.leave()

	alice.say("1", "2", "3")
	alice.shows("alice: hello", "alice: are you there?", "bob: yes", "alice: 1", "alice: 2", "alice: 3")
	all := []string{"alice: hello", "alice: are you there?", "bob: yes", "alice: 1", "alice: 2", "alice: 3"}
	bob = startChat(t, url, "--user", "bob", "--to", "alice")
	bob.shows(all...)

	server.signal(syscall.SIGKILL)
	server.wait()
	bob.notes("connection lost")
	bob.say("while it was away")
	again := start(t, nil, "dev", "--addr", strings.TrimPrefix(url, "http://"), "--data", data)
	again.says("Ctrl-C stops it")
	all = append(all, "bob: while it was away")
	bob.shows(all...)
	alice.shows(all...)
	alice.say("good night\x1b[2J")
	all = append(all, "alice: good night[2J") // nothing that steers a terminal comes through
	bob.shows(all...)
	alice.leave()
	bob.leave()
}

// TestChat_plain_everybody: without --to, lines name whom they are for.
func TestChat_plain_everybody(t *testing.T) {
	t.Parallel()
	url := readPresenceOf(t, dev(t, filepath.Join(shortDir(t), "data"), "--ephemeral"))[0]
	alice, bob := startChat(t, url, "--user", "alice"), startChat(t, url, "--user", "bob")
	alice.say("@bob hi", "nobody", "@alice me?")
	bob.shows("alice: hi")
	bob.say("@alice hello")
	alice.shows("[bob] alice: hi", "bob: hello")
	alice.notes("write @user and a text")
	alice.notes("not sent: ")
	alice.leave()
	bob.leave()

	require.ErrorContains(t, new(chatCmd).Run(t.Context(), streams{}), "--user")
}
