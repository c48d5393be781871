package main

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"im/internal/app"
)

// startDev starts im dev on any port and waits for its greeting.
func startDev(t *testing.T, data string, args ...string) *program {
	t.Helper()
	if data != "" {
		args = append(args, "--data", data)
	}
	p := start(t, nil, append([]string{"dev", "--addr", "127.0.0.1:0"}, args...)...)
	p.waitOutput("Ctrl-C stops it")
	return p
}

// printedCommands returns the commands for sending and reading that im dev has printed.
func printedCommands(t *testing.T, p *program) (send, read string) {
	t.Helper()
	commands := regexp.MustCompile(`(?m)^ +(curl .*)$`).FindAllStringSubmatch(p.out.String(), -1)
	require.Len(t, commands, 2, p.out)
	return commands[0][1], commands[1][1]
}

// shell runs a printed command.
func shell(t *testing.T, command string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", strings.Replace(command, "curl ", "curl -sSf --max-time 20 ", 1)).CombinedOutput()
	require.NoError(t, err, "%s\n%s", command, out)
	return string(out)
}

// TestDev does what a new user does: start, send and read with the printed commands,
// stop with Ctrl-C, start again.
func TestDev(t *testing.T) {
	t.Parallel()
	data := filepath.Join(shortDir(t), "data")
	p := startDev(t, data)
	send, read := printedCommands(t, p)
	require.Contains(t, shell(t, send), `"message.posted"`)
	require.Contains(t, shell(t, read), "Hello, Bob")
	pushed := strings.Replace(read, "/v1/sync?timeline_limit=10", "/v1/push", 1)
	before := shell(t, pushed)
	require.Contains(t, before, `"vapid_public_key":"`, "the web chat can subscribe to Web Push")
	for _, want := range []string{"alice", "bob", "carol", "http://127.0.0.1:", "ws://127.0.0.1:", data} {
		require.Contains(t, p.out.String(), want)
	}

	second := start(t, nil, "dev", "--addr", "127.0.0.1:0", "--data", data)
	require.Equal(t, 2, second.wait())
	require.Contains(t, second.err.String(), "in use")

	require.True(t, exists(devInfoPath(data)))
	requireDatabaseBeside(t, p, data)
	p.signal(os.Interrupt)
	require.Equal(t, 0, p.wait(), p.err)
	require.False(t, exists(devInfoPath(data)))
	requireNoServer(t, data)

	p = startDev(t, data)
	_, read = printedCommands(t, p)
	require.Contains(t, shell(t, read), "Hello, Bob", "the data is kept")
	require.Equal(t, before, shell(t, strings.Replace(read, "/v1/sync?timeline_limit=10", "/v1/push", 1)), "subscriptions are bound to the key")
	send, _ = printedCommands(t, p)
	require.Contains(t, shell(t, strings.Replace(send, "$(date +%s)", "again", 1)), `"seq":3`)

	p.signal(syscall.SIGKILL)
	require.Equal(t, -1, p.wait())
	p = startDev(t, data) // at once: it cleans up after the killed process
	_, read = printedCommands(t, p)
	require.Contains(t, shell(t, read), `"head_seq":3`)
	p.signal(syscall.SIGTERM)
	require.Equal(t, 0, p.wait(), p.err)
}

// requireDatabaseBeside: commands for operators find the database of im dev, and psql
// reaches it as printed.
func requireDatabaseBeside(t *testing.T, dev *program, data string) {
	t.Helper()
	for _, command := range []string{"migrate status", "rebuild --verify", "migrate up"} {
		p := start(t, nil, append(strings.Fields(command), "--data", data)...)
		require.Equal(t, 0, p.wait(), "%s: %s", command, p.err)
	}
	p := start(t, []string{"IM_DATABASE_URL=postgres://u@127.0.0.1:1/x"}, "migrate", "status", "--data", data)
	require.Equal(t, 1, p.wait())
	require.Contains(t, p.err.String(), "IM_DATABASE_URL", "a setting precedes it")
	psql := regexp.MustCompile(`(?m)^ +database +(psql .*)$`).FindStringSubmatch(dev.out.String())
	require.NotNil(t, psql, dev.out)
	require.Contains(t, shell(t, psql[1]+" -Atc 'SELECT count(*) FROM epoch'"), "1")
}

// TestDevNodes: a message that is sent on one node is pushed on the other.
func TestDevNodes(t *testing.T) {
	t.Parallel()
	p := startDev(t, "", "--nodes", "2", "--ephemeral")
	urls := printedURLs(t, p)
	require.Len(t, urls, 2)
	tokenOf := func(user string) string {
		found := regexp.MustCompile(`(?m)^ +` + user + ` +(\S+)$`).FindStringSubmatch(p.out.String())
		require.NotNil(t, found, p.out)
		return found[1]
	}
	bob := connectWith(t, strings.TrimPrefix(urls[1], "http://"), "phone", tokenOf("bob"))
	send, _ := printedCommands(t, p)
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
	p.waitOutput("Ctrl-C stops it")
	entries, err := os.ReadDir(temp)
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	p.signal(os.Interrupt)
	require.Equal(t, 0, p.wait(), p.err)
	entries, err = os.ReadDir(temp)
	require.NoError(t, err)
	require.Empty(t, entries)
}

// TestDevAdmin: im dev prints where the admin page is. It prints a server token only if
// everyone knows the secret, and refuses that secret where other machines reach the API.
func TestDevAdmin(t *testing.T) {
	t.Parallel()
	p := startDev(t, "", "--ephemeral")
	printed := func(pattern string) string {
		found := regexp.MustCompile(pattern).FindStringSubmatch(p.out.String())
		require.NotNil(t, found, p.out)
		return found[1]
	}
	admin := printed(`(?m)^ +admin +(\S+/)admin$`)
	status := func(path, token string) int {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, admin+path, http.NoBody)
		require.NoError(t, err)
		request.Close = true
		request.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(request)
		require.NoError(t, err)
		require.NoError(t, response.Body.Close())
		return response.StatusCode
	}
	require.Equal(t, http.StatusOK, status("admin", ""))
	require.Equal(t, http.StatusOK, status("v1/stats", printed(`(?m)^ +operator +(\S+)$`)))
	require.Equal(t, http.StatusForbidden, status("v1/stats", printed(`(?m)^ +alice +(\S+)$`)))
	p.signal(os.Interrupt)
	require.Equal(t, 0, p.wait(), p.err)

	own := start(t, []string{"IM_JWT_SECRET=" + strings.Repeat("s", 32)}, "dev", "--addr", "127.0.0.1:0", "--ephemeral")
	own.waitOutput("Ctrl-C stops it")
	require.Contains(t, own.out.String(), "im token --user operator --server")
	require.NotRegexp(t, `(?m)^ +operator `, own.out.String())
	own.signal(os.Interrupt)
	require.Equal(t, 0, own.wait(), own.err)

	open := start(t, []string{"IM_ADMIN_ADDR=0.0.0.0:0"}, "dev", "--addr", "127.0.0.1:0", "--ephemeral")
	require.Equal(t, 2, open.wait())
	require.Contains(t, open.err.String(), "IM_JWT_SECRET is required for the admin address")
	require.NotContains(t, open.out.String(), "web chat")
}

// TestDevPort: if the default port is taken, the next free one is used.
func TestDevPort(t *testing.T) {
	t.Parallel()
	a := start(t, nil, "dev", "--ephemeral")
	b := start(t, nil, "dev", "--ephemeral")
	a.waitOutput("Ctrl-C stops it")
	b.waitOutput("Ctrl-C stops it")
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

// TestDevAsAnotherUser runs im dev as an ordinary user, in an unusual time zone. The
// tests above run it as the present user, perhaps root.
func TestDevAsAnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Log("not root: the other tests run as an ordinary user")
		return
	}
	const unprivileged = 65534
	dir := shortDir(t)
	data := filepath.Join(dir, "data")
	require.NoError(t, os.Mkdir(data, 0o700))
	require.NoError(t, os.Chown(data, unprivileged, unprivileged))
	binary := filepath.Join(dir, "im")
	copyFile(t, os.Args[0], binary)
	p := startAs(t, &syscall.Credential{Uid: unprivileged, Gid: unprivileged}, binary, []string{"TZ=Pacific/Chatham", "HOME=/nonexistent"},
		"dev", "--addr", "127.0.0.1:0", "--data", data)
	p.waitOutput("Ctrl-C stops it")
	send, read := printedCommands(t, p)
	shell(t, send)
	require.Contains(t, shell(t, read), time.Now().UTC().Format("2006-01-02T"))
	p.signal(os.Interrupt)
	require.Equal(t, 0, p.wait(), p.err)
}

// copyFile copies a program, by a hard link if possible. A program cannot be run while
// any process, such as a fork of this one, has it open for writing.
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

// requireNoServer checks that no PostgreSQL runs on the data.
func requireNoServer(t *testing.T, data string) {
	t.Helper()
	require.False(t, exists(data, "postgres", "postmaster.pid"))
}

// printedURLs returns the URLs of the nodes that im dev has printed.
func printedURLs(t *testing.T, p *program) (urls []string) {
	t.Helper()
	for _, found := range regexp.MustCompile(`(?m)^ +(?:web chat|node \d+) +(\S+)$`).FindAllStringSubmatch(p.out.String(), -1) {
		urls = append(urls, found[1])
	}
	return urls
}

// TestDevVAPIDKey: the key of the data folder is made once, is for its owner only, and is
// used where no setting has one.
func TestDevVAPIDKey(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	file := filepath.Join(data, "vapid.key")
	require.NoError(t, os.WriteFile(file, nil, 0o600)) // a power cut can leave that
	first, second, set := devCmd{Data: data}, devCmd{Data: data}, devCmd{Data: data}
	require.NoError(t, first.chooseVAPIDKey())
	require.NoError(t, second.chooseVAPIDKey())
	require.Len(t, first.Push.VAPIDKey, 43)
	require.Equal(t, first.Push, second.Push)
	info, err := os.Stat(file)
	require.NoError(t, err)
	require.Equal(t, os.FileMode(0o600), info.Mode())

	set.Push.VAPIDKey = "a"
	require.NoError(t, set.chooseVAPIDKey())
	require.Equal(t, app.Push{VAPIDKey: "a"}, set.Push, "a setting precedes it")
	require.Error(t, (&devCmd{Data: file}).chooseVAPIDKey(), "no folder")
}
