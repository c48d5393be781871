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

// serveCmd runs one node until a signal ends it.
type serveCmd struct {
	Addr     string `default:":8080" help:"Address to listen on."`
	NodeName string `placeholder:"HOST" help:"Name of the node; its id is this and a suffix that is new at each start."`

	app.Services
	app.Tokens
	app.Rules
	app.Log
	debugging
}

// Run implements the command.
func (c *serveCmd) Run(ctx context.Context, std streams) error {
	logger := c.Logger(std.err)
	go tendHeap(ctx)
	if c.NodeName == "" {
		c.NodeName = hostName()
	}
	// The port first: two nodes that were given the same one are told so before
	// either touches anything.
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
			return nil // stopped before it had begun
		}
		return usageError{err}
	}
	defer n.Close()
	logger.InfoContext(ctx, "serving", "addr", listener.Addr().String(), "node_id", string(n.ID()))
	return stopping(logger, n.Run(ctx, listener))
}

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

// hostName is the host's without its domain, as far as it can be a node's.
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
