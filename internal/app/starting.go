package app

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"sync"
	"time"

	"im/domain"
	"im/internal/edge"
)

// AnswerWhileStarting answers on listener until stop is called, which leaves the listener
// open. A node that starts may migrate the schema for a long time: /healthz says that it
// is alive, so that nothing restarts it, and every other call that it is not available yet.
// It speaks TLS unless config is nil.
func AnswerWhileStarting(listener net.Listener, config *tls.Config) (stop func()) {
	lent := &lentListener{Listener: listener}
	server := &http.Server{
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 5 * time.Second, WriteTimeout: 5 * time.Second,
		Handler: withRequestID(http.HandlerFunc(answerStarting)),
	}
	server.SetKeepAlivesEnabled(false) // the next request goes to the node itself
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.Serve(withTLS(lent, config)) // it ends when the server is closed
	}()
	return func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		<-done
		lent.giveBack()
	}
}

func answerStarting(w http.ResponseWriter, r *http.Request) {
	status, body := http.StatusOK, `{"status":"ok"}`
	switch r.URL.Path {
	case "/healthz":
	case "/readyz":
		status, body = http.StatusServiceUnavailable, `{"status":"unready","checks":{}}`
	default:
		edge.WriteProblem(w, http.StatusServiceUnavailable, domain.ErrUnavailable.WithMessage("the node is starting"))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body+"\n")
}

// lentListener is a listener whose Close ends Accept and leaves the listener open.
type lentListener struct {
	net.Listener

	mu     sync.Mutex
	closed bool
}

// deadlined is what listeners of TCP and Unix sockets have.
type deadlined interface{ SetDeadline(t time.Time) error }

// Accept implements net.Listener.
func (l *lentListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil, errors.Join(net.ErrClosed, closeIfAny(conn))
	}
	return conn, err
}

func closeIfAny(conn net.Conn) error {
	if conn == nil {
		return nil
	}
	return conn.Close()
}

// Close implements net.Listener.
func (l *lentListener) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if d, ok := l.Listener.(deadlined); ok {
		return d.SetDeadline(time.Unix(1, 0))
	}
	return l.Listener.Close()
}

// giveBack makes the listener usable again.
func (l *lentListener) giveBack() {
	if d, ok := l.Listener.(deadlined); ok {
		_ = d.SetDeadline(time.Time{})
	}
}
