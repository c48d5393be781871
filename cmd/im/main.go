// Command im is an instant messaging backend: a node of a cluster (im serve),
// the same in one process with nothing to install (im dev), and what an
// operator or developer needs beside them. `im help` lists the commands.
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
)

// Exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // something is missing or wrong in what was asked for
)

func main() {
	dropEmptyVariables()
	redis.SetLogger(silent{}) // what matters of it is in our own log
	os.Exit(run(os.Args[1:], streams{os.Stdout, os.Stderr}))
}

// cli is the command line. Every flag is an environment variable too.
type cli struct {
	Dev     devCmd     `cmd:"" set:"log_level=warn" help:"Everything in one process, with nothing to install or to configure."`
	Serve   serveCmd   `cmd:"" help:"One node of a cluster."`
	Migrate migrateCmd `cmd:"" help:"Bring the schema of the database up to date, or back."`
	Rebuild rebuildCmd `cmd:"" help:"Make the projections anew from the log, or compare them with it; nodes may run."`
	Epoch   epochCmd   `cmd:"" help:"What to do after the database was restored from a backup."`
	Token   tokenCmd   `cmd:"" help:"Print a token, signed with IM_JWT_SECRET."`
	Chat    chatCmd    `cmd:"" help:"Chat from the terminal."`
	Bench   benchCmd   `cmd:"" help:"Measure throughput and latency, of a cluster or of one that is started for it."`
	Verify  verifyCmd  `cmd:"" help:"Prove the delivery guarantees against a running cluster."`
}

// streams are where a command writes: what was asked for, and what is said about it.
type streams struct{ out, err io.Writer }

// usageError is an error in what was asked for: exit code 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// run runs one command line and returns the exit code. The first SIGINT or
// SIGTERM stops it in order, the second one at once.
func run(args []string, std streams) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	defer context.AfterFunc(ctx, stop)() // from then on signals have their usual effect

	if len(args) == 0 || args[0] == "help" {
		args = append(args[min(1, len(args)):], "--help")
	}
	var exited *int
	parser, err := kong.New(new(cli),
		kong.Name("im"),
		kong.Description("An instant messaging backend: PostgreSQL is the log, Redis the map, RabbitMQ the fast path.\n\nEvery flag is an environment variable too, as shown beside it; flags win."),
		kong.DefaultEnvars("IM"),
		kong.Vars{"log_level": "info", "default_addr": devAddr, "default_data": defaultData, "default_url": defaultURL, "bench_works": benchWorks()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Writers(std.out, std.err),
		kong.Bind(std),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Exit(func(code int) { exited = &code }),
	)
	if err != nil {
		panic(err) // the struct above is wrong
	}
	command, err := parser.Parse(args)
	switch {
	case exited != nil:
		return *exited
	case err != nil:
		err = usageError{naming(err, parser.Model)}
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

// naming adds the environment variable to an error that names a flag.
func naming(err error, app *kong.Application) error {
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

// silent takes what go-redis would write to standard error.
type silent struct{}

// Printf implements the logger of go-redis.
func (silent) Printf(context.Context, string, ...any) {}

// dropEmptyVariables makes an empty variable an unset one: composing files and
// scripts cannot tell them apart.
func dropEmptyVariables() {
	for _, kv := range os.Environ() {
		if name, value, _ := strings.Cut(kv, "="); strings.HasPrefix(name, "IM_") && value == "" {
			_ = os.Unsetenv(name)
		}
	}
}
