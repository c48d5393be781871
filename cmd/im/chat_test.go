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

	"github.com/stretchr/testify/require"

	"im/test/eventually"
)

// plainChat is an im chat without a terminal.
type plainChat struct {
	t        *testing.T
	cmd      *exec.Cmd
	in       io.WriteCloser
	out, err *buffer
}

func startChat(t *testing.T, url string, args ...string) *plainChat {
	t.Helper()
	p := &plainChat{t: t, out: &buffer{}, err: &buffer{}}
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

func (p *plainChat) send(lines ...string) {
	p.t.Helper()
	for _, line := range lines {
		_, err := fmt.Fprintln(p.in, line)
		require.NoError(p.t, err)
	}
}

// waitLines waits until exactly these lines have been printed.
func (p *plainChat) waitLines(lines ...string) {
	p.t.Helper()
	want := strings.Join(lines, "\n") + "\n"
	eventually.NoError(p.t, "the lines are printed", func() error {
		if got := p.out.String(); len(got) < len(want) {
			return fmt.Errorf("printed %q and %q", got, p.err)
		}
		return nil
	})
	require.Equal(p.t, want, p.out.String(), "%s", p.err)
}

// waitNote waits until a note has been written.
func (p *plainChat) waitNote(text string) {
	p.t.Helper()
	eventually.True(p.t, "the note "+text, func() bool { return strings.Contains(p.err.String(), text) })
}

// leave ends the input; the command ends by itself.
func (p *plainChat) leave() {
	p.t.Helper()
	require.NoError(p.t, p.in.Close())
	require.NoError(p.t, p.cmd.Wait(), "%s", p.err)
}

// TestChatPlain: two users chat. One leaves and returns; the server is killed and
// started again. Each prints every message once and in order.
func TestChatPlain(t *testing.T) {
	t.Parallel()
	data := filepath.Join(shortDir(t), "data")
	server := startDev(t, data)
	url := printedURLs(t, server)[0]

	alice := startChat(t, url, "--user", "alice", "--to", "bob")
	alice.send("hello", "are you there?")
	alice.waitLines("alice: hello", "alice: are you there?")
	bob := startChat(t, url, "--user", "bob", "--to", "alice")
	bob.waitLines("alice: hello", "alice: are you there?")
	bob.waitNote("· new")
	bob.send("yes")
	alice.waitLines("alice: hello", "alice: are you there?", "bob: yes")
	bob.leave()

	alice.send("1", "2", "3")
	alice.waitLines("alice: hello", "alice: are you there?", "bob: yes", "alice: 1", "alice: 2", "alice: 3")
	all := []string{"alice: hello", "alice: are you there?", "bob: yes", "alice: 1", "alice: 2", "alice: 3"}
	bob = startChat(t, url, "--user", "bob", "--to", "alice")
	bob.waitLines(all...)

	server.signal(syscall.SIGKILL)
	server.wait()
	bob.waitNote("connection lost")
	bob.send("while it was away")
	again := start(t, nil, "dev", "--addr", strings.TrimPrefix(url, "http://"), "--data", data)
	again.waitOutput("Ctrl-C stops it")
	all = append(all, "bob: while it was away")
	bob.waitLines(all...)
	alice.waitLines(all...)
	alice.send("/help", "/shrug", "//help")
	all = append(all, "alice: /help")
	bob.waitLines(all...)
	alice.waitNote("/quit: leave")
	alice.waitNote("there is no command /shrug")
	alice.send("good night\x1b[2J")
	all = append(all, "alice: good night[2J") // control characters are removed
	bob.waitLines(all...)
	alice.leave()
	bob.send("/quit")
	require.NoError(t, bob.cmd.Wait())
}

// TestChatPlainWithAllUsers: without --to, each line names its recipient.
func TestChatPlainWithAllUsers(t *testing.T) {
	t.Parallel()
	url := printedURLs(t, startDev(t, "", "--ephemeral"))[0]
	alice, bob := startChat(t, url, "--user", "alice"), startChat(t, url, "--user", "bob")
	alice.send("@bob hi", "no recipient", "@alice me?")
	bob.waitLines("alice: hi")
	bob.send("@alice hello")
	alice.waitLines("[bob] alice: hi", "bob: hello")
	alice.waitNote("write @user and a text")
	alice.waitNote("not sent: ")
	alice.leave()
	bob.leave()

	require.ErrorContains(t, new(chatCmd).Run(t.Context(), streams{}), "--user")
}
