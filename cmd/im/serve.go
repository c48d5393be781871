package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"

	"im/internal/app"
)

// serveCmd runs one node until a signal stops it.
type serveCmd struct {
	Addr     string `default:":8080" help:"Address to listen on, such as 127.0.0.1:8080 or :8080 for all interfaces."`
	NodeName string `placeholder:"HOST" help:"Name of the node. Its id is this name with a suffix that differs at each start. By default the name of the host."`

	app.Services
	app.Tokens
	app.Rules
	app.Log
	debugging
}

// Run implements the command.
func (c *serveCmd) Run(ctx context.Context, std streams) error {
	logger := c.Logger(std.err)
	defer app.TuneGC()()
	if c.NodeName == "" {
		c.NodeName = hostName()
	}
	// The port comes first: if another node has it, this one fails before it touches
	// the services.
	listener, err := listen(ctx, c.Addr)
	if err != nil {
		return usageError{err}
	}
	stopDebugging, err := c.startDebugging(ctx, logger)
	if err != nil {
		_ = listener.Close()
		return usageError{err}
	}
	defer stopDebugging()
	n, err := app.New(ctx, app.Options{
		Name: c.NodeName, Services: c.Services, Tokens: c.Tokens, Rules: c.Rules, Logger: logger,
	})
	if err != nil {
		_ = listener.Close()
		if ctx.Err() != nil {
			return nil // a signal stopped it while it started
		}
		return usageError{err}
	}
	defer n.Close()
	logger.InfoContext(ctx, "serving", "addr", listener.Addr().String(), "node_id", string(n.ID()))
	return stopping(logger, n.Run(ctx, listener))
}

// stopping logs the end of a node and returns its error.
func stopping(logger *slog.Logger, err error) error {
	logger.Info("stopped", "clean", err == nil)
	return err
}

func listen(ctx context.Context, addr string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("IM_ADDR: %w", err)
	}
	return listener, nil
}

// hostName returns the name of the host without its domain. Characters that the name
// of a node cannot have become dashes.
func hostName() string {
	name, err := os.Hostname()
	if err != nil {
		return "node"
	}
	name, _, _ = strings.Cut(name, ".")
	name = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, name)
	if name == "" {
		return "node"
	}
	return name[:min(len(name), 63)]
}
