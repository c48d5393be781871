package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"runtime"
	"time"
)

const (
	blockRate     = 10_000 // ns of blocking for each sample
	mutexFraction = 100    // one of this many contentions is sampled
)

// debugging serves profiles of the process. They are not authenticated and reveal much
// of it, so they have an address of their own and are off by default.
type debugging struct {
	DebugAddr string `group:"Logging" placeholder:"127.0.0.1:6060" help:"Address to serve profiles of the process on (net/http/pprof). There is no authentication: keep it private. Off by default."`
}

// startDebugging serves until the returned function is called.
func (d debugging) startDebugging(ctx context.Context, logger *slog.Logger) (stop func(), err error) {
	if d.DebugAddr == "" {
		return func() {}, nil
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", d.DebugAddr)
	if err != nil {
		return nil, fmt.Errorf("IM_DEBUG_ADDR: %w", err)
	}
	if addr, ok := listener.Addr().(*net.TCPAddr); !ok || !addr.IP.IsLoopback() {
		logger.WarnContext(ctx, "profiles are served without authentication to other machines: set IM_DEBUG_ADDR to a loopback address", "addr", listener.Addr().String())
	}
	runtime.SetBlockProfileRate(blockRate)
	runtime.SetMutexProfileFraction(mutexFraction)
	server := &http.Server{Handler: profiles(), ReadHeaderTimeout: 5 * time.Second}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.ErrorContext(ctx, "serving profiles has failed; the node goes on without", "error", err)
		}
	}()
	logger.InfoContext(ctx, "serving profiles", "addr", listener.Addr().String())
	return func() {
		_ = server.Close()
		<-done
	}, nil
}

// profiles returns a handler of the paths of net/http/pprof, apart from the default mux.
func profiles() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/cmdline", pprof.Cmdline)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/symbol", pprof.Symbol)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}
