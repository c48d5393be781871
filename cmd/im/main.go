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

// cli is the command line. Each flag has an environment variable.
type cli struct {
	Dev     devCmd     `cmd:"" set:"log_level=warn" help:"Run a whole cluster in one process, with nothing to install or configure."`
	Serve   serveCmd   `cmd:"" help:"Run one node of a cluster."`
	Migrate migrateCmd `cmd:"" help:"Apply, revert or list migrations of the schema."`
	Rebuild rebuildCmd `cmd:"" help:"Rebuild the projections from the log, or compare them with it. Nodes may run at the same time."`
	Epoch   epochCmd   `cmd:"" help:"Begin a new epoch after the database was restored from a backup."`
	Token   tokenCmd   `cmd:"" help:"Print a token signed with IM_JWT_SECRET."`
	Chat    chatCmd    `cmd:"" help:"Chat from the terminal."`
	Bench   benchCmd   `cmd:"" help:"Measure throughput and latency of a running cluster, or of one that it starts."`
	Verify  verifyCmd  `cmd:"" help:"Check the delivery guarantees against a running cluster."`
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
	parser, err := kong.New(new(cli),
		kong.Name("im"),
		kong.Description("An instant messaging backend. PostgreSQL holds the log of events, Redis the registry of sessions; RabbitMQ carries events between nodes.\n\nEach flag can be set by the environment variable beside it. A flag takes precedence."),
		kong.DefaultEnvars("IM"),
		app.Defaults(),
		kong.Vars{"log_level": "info", "default_addr": devAddr, "default_data": defaultData, "default_url": defaultURL, "bench_workloads": benchWorkloads()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(std.out, std.err),
		kong.Bind(std),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Exit(func(code int) { exited = &code }),
	)
	if err != nil {
		panic(err) // the tags of cli are wrong
	}
	command, err := parser.Parse(args)
	switch {
	case exited != nil:
		return *exited
	case err != nil:
		err = usageError{withVariable(err, parser.Model)}
	default:
		err = command.Run()
	}
	return exitCode(err, std.err)
}

func exitCode(err error, stderr io.Writer) int {
	if err == nil {
		return exitOK
	}
	_, _ = fmt.Fprintf(stderr, "im: %v\n", err)
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// withVariable adds the environment variable to an error that names a flag.
func withVariable(err error, app *kong.Application) error {
	text := err.Error()
	names := map[string]string{}
	for _, command := range app.Leaves(false) {
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

// dropEmptyVariables unsets empty variables: compose files and scripts often cannot
// leave a variable unset.
func dropEmptyVariables() {
	for _, kv := range os.Environ() {
		if name, value, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "IM_") && value == "" {
			_ = os.Unsetenv(name)
		}
	}
}
