package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"im/internal/app"
	"im/tools/doctor"
)

// Exit codes of im doctor, beside exitOK.
const (
	exitWarnings = 1
	exitFailures = 2
)

// doctorCmd examines what the nodes depend on.
type doctorCmd struct {
	doctorFlags

	JSON bool `name:"json" help:"Print JSON."`
}

// doctorFlags say what to examine. They have the settings of a node.
type doctorFlags struct {
	URL        string `name:"url" placeholder:"https://HOST" help:"Address that clients use. By default --public-url."`
	Token      string `help:"Token of any user, for a WebSocket at that address. By default one is signed with --jwt-secret."`
	Nodes      int    `default:"0" help:"Number of nodes that the database must have connections for. By default that of the nodes that run."`
	Heartbeats int    `default:"2" help:"Heartbeats of 25 s that a WebSocket must live."`

	app.Services
	app.Tokens
	app.Rules
	app.Edge
}

// exitError is an error that was reported already.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// Run implements the command.
func (c *doctorCmd) Run(ctx context.Context, std streams) error {
	options, err := c.options()
	if err != nil {
		return err
	}
	report := doctor.Run(ctx, options)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	write := writeReport
	if c.JSON {
		write = func(w io.Writer, r doctor.Report) error { return writeJSON(w, r) }
	}
	if err := write(std.out, report); err != nil {
		return err
	}
	switch report.Status() {
	case doctor.Failure:
		return exitError(exitFailures)
	case doctor.Warning:
		return exitError(exitWarnings)
	default:
		return nil
	}
}

func (c *doctorFlags) options() (doctor.Options, error) {
	if c.Heartbeats < 0 || c.Nodes < 0 {
		return doctor.Options{}, usageError{errors.New("--heartbeats and --nodes must not be negative")}
	}
	return doctor.Options{
		Node: app.Options{
			Name: hostName(), Services: c.Services, Tokens: c.Tokens, Rules: c.Rules, Edge: c.Edge, Logger: slog.New(slog.DiscardHandler),
		},
		Nodes: c.Nodes, URL: c.URL, Token: c.Token, Heartbeats: c.Heartbeats,
	}, nil
}

// writeReport prints a report for people.
func writeReport(w io.Writer, report doctor.Report) error {
	marks := map[doctor.Status]string{doctor.OK: "ok  ", doctor.Skipped: "skip", doctor.Warning: "WARN", doctor.Failure: "FAIL"}
	counts := map[doctor.Status]int{}
	for _, f := range report.Findings {
		counts[f.Status]++
		text := fmt.Sprintf("%s  %s, %s: %s\n", marks[f.Status], f.Area, f.Check, f.Saw)
		if f.Why != "" {
			text += "      why: " + f.Why + "\n"
		}
		if f.Do != "" {
			text += "      do:  " + f.Do + "\n"
		}
		if _, err := io.WriteString(w, text); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%d ok, %d skipped, %d warnings, %d failures\n",
		counts[doctor.OK], counts[doctor.Skipped], counts[doctor.Warning], counts[doctor.Failure])
	return err
}
