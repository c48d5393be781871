package environments

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"im/internal/freeport"
	"im/test/eventually"
	"im/test/improcess"
	"im/test/pgtest"
)

// previousVersion is the commit or tag of the version before this one: the last state of
// the code before the newest migration. After a release, name the newest tag here.
const previousVersion = "167f8b326e3569a828ac69091d41017c1819eefa"

// previousSchema is the version of the schema that previousVersion needs.
const previousSchema = 2

// Nodes of the previous version and of this one run beside each other, in both directions,
// while im verify of the previous version, whose clients know nothing newer, checks the
// guarantees. Every step has load: nodes of one version, of both, of the other.
func TestUpgradeAndDowngrade(t *testing.T) {
	t.Parallel()
	c := &upgradeCluster{t: t, testCluster: newTestCluster(t), database: pgtest.NewEmpty(t), previous: buildPrevious(t)}
	// The previous version refuses settings that it does not know.
	c.env = slices.DeleteFunc(c.env, func(v string) bool { return strings.HasPrefix(v, "IM_CREATE_DATABASE=") })
	c.env = append(c.env, "IM_DATABASE_URL="+c.database)
	for i := range c.addr {
		addr, err := freeport.Addr()
		require.NoError(t, err)
		c.addr[i] = addr
		c.run(i, c.previous)
	}
	require.Equal(t, previousSchema, c.schema(), "say in this file which schema previousVersion has")

	c.underVerify("upgrade", func() {
		c.run(0, binary)
		c.awaitLoad("the new version beside the previous one")
		c.run(1, binary)
		c.awaitLoad("the new version alone")
	})
	newest := c.schema()
	require.Greater(t, newest, previousSchema, "nothing to try: the versions have the same schema")
	c.underVerify("downgrade", func() {
		c.run(1, c.previous)
		c.awaitLoad("the previous version beside the new one")
		c.run(0, c.previous)
		c.awaitLoad("the previous version alone")
	})
	require.Equal(t, newest, c.schema(), "the previous version leaves the schema as it is")
	c.requireProjections(c.previous)

	// Only nodes of the newer version write the search index, if its terms have changed.
	c.run(0, binary)
	c.run(1, binary)
	c.requireProjections(binary)
	eventually.True(t, "the search index has all messages again", func() bool {
		return querySQL[bool](t, c.database, `SELECT NOT EXISTS (SELECT FROM events e WHERE type = 'message.posted' AND body -> 'content' ->> 'text' <> ''
			AND NOT EXISTS (SELECT FROM search_messages s WHERE s.conversation_id = e.conversation_id AND s.seq = e.seq))`)
	})
}

// requireProjections requires that a program finds all projections but the search index
// equal to the log. The index follows the log with a delay.
func (c *upgradeCluster) requireProjections(program string) {
	c.t.Helper()
	output, _ := c.command(program, "rebuild", "--verify") // fails if the search index differs
	require.Regexp(c.t, `\d+ conversations, \d+ events`, output)
	for line := range strings.Lines(output) {
		if id, _, ok := strings.Cut(line, ","); ok && uuid.Validate(id) == nil {
			require.Contains(c.t, line, ", search_messages,")
		}
	}
}

// upgradeCluster is two addresses at which nodes of either version run.
type upgradeCluster struct {
	*testCluster
	t        *testing.T
	database string
	previous string // path of the program of the previous version
	addr     [2]string
	nodes    [2]*improcess.Process
}

// run stops the node at an address, if there is one, and starts another program there.
func (c *upgradeCluster) run(i int, program string) {
	c.t.Helper()
	if c.nodes[i] != nil {
		c.nodes[i].Stop()
	}
	env := append(append([]string{}, c.env...), "IM_ADDR="+c.addr[i], fmt.Sprint("IM_NODE_NAME=node", i))
	c.nodes[i] = improcess.Start(c.t, program, env, "serve")
	c.nodes[i].URL = "http://" + c.addr[i]
	c.nodes[i].AwaitReady()
}

// underVerify runs steps while im verify of the previous version loads the cluster. It
// requires that all steps ended under load, and that every guarantee held.
func (c *upgradeCluster) underVerify(what string, steps func()) {
	c.t.Helper()
	load := improcess.Start(c.t, c.previous, nil, "verify", "--quiet", "--no-floods", "--jwt-secret", testSecret,
		"--duration", "45s", "--rate", "20", "--users", "10", "--complete-within", "15s", "--settle", "60s",
		"--url", c.nodes[0].URL, "--url", c.nodes[1].URL)
	c.awaitLoad("before the " + what)
	steps()
	require.NoError(c.t, load.Wait(), "im verify: %s", load.Output())
	c.t.Logf("%s:\n%s", what, load.Output())
}

// awaitLoad waits until the load has appended some more events.
func (c *upgradeCluster) awaitLoad(state string) {
	c.t.Helper()
	count := func() int { return querySQL[int](c.t, c.database, "SELECT count(*)::int FROM events") }
	before := count()
	eventually.True(c.t, "im verify goes on: "+state, func() bool { return count() >= before+40 })
}

func (c *upgradeCluster) schema() int {
	c.t.Helper()
	return querySQL[int](c.t, c.database, "SELECT version FROM im_schema_version")
}

// command runs a command of a program with the environment of the nodes, and returns what
// it writes.
func (c *upgradeCluster) command(program string, args ...string) (string, error) {
	command := exec.Command(program, args...)
	command.Env = append(command.Environ(), c.env...)
	output, err := command.CombinedOutput()
	return string(output), err
}

// buildPrevious builds im as it was at previousVersion, from the history of this repository,
// and returns its path.
func buildPrevious(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	archive := filepath.Join(dir, "source.tar")
	run := func(in, name string, args ...string) error {
		command := exec.Command(name, args...)
		command.Dir = in
		command.Env = append(os.Environ(), "GOWORK=off")
		if output, err := command.CombinedOutput(); err != nil {
			return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, output)
		}
		return nil
	}
	require.NoError(t, run("../..", "git", "archive", "--output", archive, previousVersion),
		"this test builds the previous version from git: it needs a clone with the whole history (git fetch --unshallow)")
	source := filepath.Join(dir, "source")
	require.NoError(t, os.Mkdir(source, 0o755))
	require.NoError(t, run(source, "tar", "-xf", archive))
	program := filepath.Join(dir, "im-previous")
	require.NoError(t, run(source, "go", "build", "-buildvcs=false", "-o", program, "./cmd/im"))
	return program
}
