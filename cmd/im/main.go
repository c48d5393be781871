// Command im is an instant messaging backend. im serve runs a node of a cluster; im
// dev runs a whole cluster in one process, with nothing to install. The other commands
// are for operators and developers: `im help` lists them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"github.com/redis/go-redis/v9"

	"im/internal/app"
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the command line or a setting is wrong or missing
)

func main() {
	dropEmptyVariables()
	redis.SetLogger(silent{}) // our own log has what matters of it
	os.Exit(run(os.Args[1:], streams{os.Stdout, os.Stderr}))
}

// cli is the command line. Settings have environment variables: see variables.
type cli struct {
	Config string `placeholder:"FILE" help:"File of settings (YAML), such as log_level: debug. Variables and flags take precedence."`

	Dev           devCmd        `cmd:"" set:"log_level=warn" set:"trace_ratio=1" help:"Run a whole cluster in one process, with nothing to install or configure."` //nolint:staticcheck // kong takes a tag set for each variable
	Serve         serveCmd      `cmd:"" help:"Run one node of a cluster."`
	Migrate       migrateCmd    `cmd:"" help:"Apply, revert or list migrations of the schema."`
	Rebuild       rebuildCmd    `cmd:"" help:"Rebuild the projections from the log, or compare them with it. Nodes may run at the same time."`
	Epoch         epochCmd      `cmd:"" help:"Begin a new epoch after the database was restored from a backup."`
	Events        eventsCmd     `cmd:"" help:"Show how far the event stream is, send events again, or forget it."`
	Configuration configCmd     `cmd:"" name:"config" help:"Check the settings of a node, or print them with where each comes from."`
	Doctor        doctorCmd     `cmd:"" help:"Examine the services, the settings and the public address of a cluster. Exit code 0, 1 (warnings) or 2 (failures)."`
	Top           topCmd        `cmd:"" help:"Show the nodes of a cluster live: sessions, rates, latencies, lags and pools."`
	Support       supportCmd    `cmd:"" help:"Pack what helps others to help: doctor, settings without secrets, metrics and profiles."`
	Token         tokenCmd      `cmd:"" help:"Print a token signed with IM_JWT_SECRET."`
	Health        healthCmd     `cmd:"" help:"Ask the node of this machine or container whether it is alive."`
	Drain         drainCmd      `cmd:"" help:"Empty the node of this machine or container before it is stopped."`
	Version       versionCmd    `cmd:"" help:"Print the version, the commit, the date, the version of Go, and the schema of this program."`
	Completion    completionCmd `cmd:"" help:"Print a script that completes commands, flags and values in a shell."`
	Chat          chatCmd       `cmd:"" help:"Chat from the terminal."`
	Bench         benchCmd      `cmd:"" help:"Measure throughput and latency of a running cluster, or of one that it starts."`
	Verify        verifyCmd     `cmd:"" help:"Check the delivery guarantees against a running cluster."`
}

// streams are where a command writes its results (out), and progress and errors (err).
type streams struct{ out, err io.Writer }

// usageError is an error of the command line or of a setting. It causes exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run runs one command line and returns the exit code. The first SIGINT or SIGTERM
// stops the command in order, a second one ends the process at once.
func run(args []string, std streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // then a second signal has its default effect

	if len(args) == 0 || args[0] == "help" {
		args = append(args[min(1, len(args)):], "--help")
	}
	var exited *int
	parser, err := newParser(std, new(cli), variables(),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Exit(func(code int) { exited = &code }),
	)
	if err != nil {
		panic(err) // the tags of cli are wrong
	}
	env := newEnvironment(parser.Model)
	env.problems = env.load(args)
	command, err := parser.Parse(args)
	switch {
	case exited != nil:
		return *exited
	case env.problems != nil && (err != nil || !isConfig(command)):
		err = usageError{env.problems}
	case err != nil:
		err = usageError{withVariable(err, parser.Model, args)}
	default:
		err = runCommand(command, env)
	}
	return exitCode(env.located(err), std.err)
}

// newParser returns a parser that fills c. Only with the option variables does it read the
// environment.
func newParser(std streams, c *cli, options ...kong.Option) (*kong.Kong, error) {
	return kong.New(c, append([]kong.Option{
		kong.Name("im"),
		kong.Description("An instant messaging backend. PostgreSQL holds the log of events, Redis the registry of sessions; RabbitMQ carries events between nodes.\n\nA setting is a flag or the environment variable beside it. A flag takes precedence. IM_X_FILE names a file that holds the value of IM_X. A file of all settings (--config) comes last."),
		app.Defaults(),
		kong.Vars{"log_level": "info", "trace_ratio": "0.01", "default_addr": devAddr, "default_admin_addr": app.DefaultAdminAddr, "default_data": defaultData, "default_url": defaultURL, "bench_workloads": benchWorkloads()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(std.out, std.err),
		kong.Bind(std),
	}, options...)...)
}

// runCommand runs a command that was parsed. A node accepts no variable that no setting
// has.
func runCommand(command *kong.Context, env environment) error {
	if command.Command() == "serve" {
		if err := env.checkVariables(command.Flags()); err != nil {
			return usageError{err}
		}
	}
	return command.Run(env)
}

func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	if code, ok := errors.AsType[exitError](err); ok {
		return int(code)
	}
	_, _ = fmt.Fprintf(stderr, "im: %v\n", err)
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// withVariable adds the environment variable to an error that names a flag of the command.
func withVariable(err error, app *kong.Application, args []string) error {
	text := err.Error()
	names := map[string]string{}
	for _, command := range app.Leaves(false) {
		if !strings.HasPrefix(strings.Join(args, " ")+" ", command.Path()+" ") {
			continue
		}
		for _, group := range command.AllFlags(false) {
			for _, flag := range group {
				if len(flag.Envs) > 0 {
					names["--"+flag.Name] = flag.Envs[0]
				}
			}
		}
	}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" ,:=\"", r) }) {
		if variable := names[word]; variable != "" && !strings.Contains(text, variable) {
			return fmt.Errorf("%w (or %s)", err, variable)
		}
	}
	return err
}

// silent discards what go-redis would write to standard error.
type silent struct{}

// Printf implements the logger of go-redis.
func (silent) Printf(context.Context, string, ...any) {}
