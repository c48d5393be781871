package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"strconv"
	"time"
)

const (
	// DefaultAdminAddr is the admin address of a node that has none set. If its port is
	// taken, the node uses the next free one.
	DefaultAdminAddr = "127.0.0.1:9180"
	// AdminOff is the value of the admin address for a node that has none.
	AdminOff = "off"

	adminPorts = 20 // how many ports to try from the first one before any free one
)

// Operation is how operators look into a node.
type Operation struct {
	// TLS makes the admin addresses speak TLS.
	TLS *tls.Config `kong:"-"`

	AdminAddr     string `group:"Operation" placeholder:"127.0.0.1:9180" help:"Address for operators only: the admin page (/admin), metrics (/metrics) and profiles (/debug/pprof/). Only the page has authentication: keep the address private. An address set here must be free; im dev uses the next ports for further nodes. By default 127.0.0.1:9180 or the next free port. off: none."`
	MetricsPublic bool   `group:"Operation" help:"Serve /metrics at the public address, too. Everyone who reaches the node can read them."`
}

// Admin serves what is for operators only, at an address of its own. A process has one
// for each node. Handlers may be added while it serves.
type Admin struct {
	mux      *http.ServeMux
	listener net.Listener // nil if there is no address
	server   *http.Server
	done     chan struct{}
}

// OpenAdmins opens the admin addresses of n nodes, and serves on them until they are
// closed. A set address must be free; other nodes use the ports after it. Without a set
// address no port is worth a failure: a node takes the next free one, or has none. Then,
// and with AdminOff, its Admin serves nowhere.
func (o Operation) OpenAdmins(ctx context.Context, n int, logger *slog.Logger) (admins []*Admin, err error) {
	addr := o.AdminAddr
	if addr == "" {
		addr = DefaultAdminAddr
	}
	for range n {
		var listener net.Listener
		if o.AdminAddr != AdminOff {
			// The first node has a set address or fails; so has a further node with port 0.
			listener, addr, err = listenAdmin(ctx, addr, o.AdminAddr != "" && len(admins) == 0)
			switch {
			case err != nil && o.AdminAddr != "":
				for _, a := range admins {
					a.Close()
				}
				return nil, fmt.Errorf("IM_ADMIN_ADDR: %w", err)
			case err != nil:
				logger.WarnContext(ctx, "no port is free for the admin address; the node goes on without one", "error", err)
			}
		}
		if listener != nil {
			listener = withTLS(listener, o.TLS)
		}
		admins = append(admins, newAdmin(ctx, listener, logger))
	}
	return admins, nil
}

// listenAdmin listens on addr, or if that is not demanded on one of the ports after it. It
// returns the address to try for the next node.
func listenAdmin(ctx context.Context, addr string, exact bool) (net.Listener, string, error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, addr, err
	}
	first, err := net.DefaultResolver.LookupPort(ctx, "tcp", text)
	if err != nil {
		return nil, addr, err
	}
	if first == 0 {
		exact = true // any port: a free one for each node
	}
	for port := first; ; port++ {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(port)))
		switch {
		case err == nil && first == 0:
			return listener, addr, nil
		case err == nil:
			return listener, net.JoinHostPort(host, strconv.Itoa(port+1)), nil
		case exact:
			return nil, addr, err
		case port == first+adminPorts || port == 65535:
			listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(host, "0"))
			return listener, addr, err
		}
	}
}

// newAdmin serves on listener, which may be nil.
func newAdmin(ctx context.Context, listener net.Listener, logger *slog.Logger) *Admin {
	a := &Admin{mux: http.NewServeMux(), listener: listener, done: make(chan struct{})}
	a.addProfiles()
	if listener == nil {
		close(a.done)
		return a
	}
	loopback := isLoopback(listener)
	if !loopback {
		logger.WarnContext(ctx, "the admin address can be reached from other machines and has no authentication: keep it in a private network", "addr", a.Addr())
	}
	// A page in the operator's browser may neither post to the address nor, by a name
	// that leads to it, read from it.
	handler := http.NewCrossOriginProtection().Handler(withRequestID(a.mux))
	if loopback {
		handler = ownHostOnly(handler)
	}
	a.server = &http.Server{
		Handler: handler, ReadHeaderTimeout: 5 * time.Second,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelDebug),
	}
	go func() {
		defer close(a.done)
		if err := a.server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			logger.ErrorContext(ctx, "the admin address has failed; the node goes on without it", "error", err)
		}
	}()
	logger.InfoContext(ctx, "serving operators", "admin_addr", a.Addr())
	return a
}

// Handle adds a handler for a pattern of http.ServeMux.
func (a *Admin) Handle(pattern string, h http.Handler) { a.mux.Handle(pattern, h) }

// Addr returns the address; "" if there is none.
func (a *Admin) Addr() string {
	if a.listener == nil {
		return ""
	}
	return a.listener.Addr().String()
}

// Close ends the serving. Requests in flight are cut off.
func (a *Admin) Close() {
	if a.server != nil {
		_ = a.server.Close()
	}
	<-a.done
}

// addProfiles adds the paths of net/http/pprof. Blocking and mutexes are not sampled,
// unless something else has enabled that: it would cost CPU all the time.
func (a *Admin) addProfiles() {
	for path, h := range map[string]http.HandlerFunc{
		"/debug/pprof/": pprof.Index, "/debug/pprof/cmdline": pprof.Cmdline, "/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/symbol": pprof.Symbol, "/debug/pprof/trace": pprof.Trace,
	} {
		a.Handle(path, h)
	}
}

func isLoopback(l net.Listener) bool {
	addr, ok := l.Addr().(*net.TCPAddr)
	return ok && addr.IP.IsLoopback()
}

// ownHostOnly refuses requests whose Host is neither an IP address nor localhost. A web
// page can make a name of its own lead to a loopback address (DNS rebinding).
func ownHostOnly(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if host != "localhost" && net.ParseIP(host) == nil {
			http.Error(w, "use an IP address or localhost: the admin address is a loopback address", http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
}
