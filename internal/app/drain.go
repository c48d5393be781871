package app

import (
	"context"
	"encoding/json"
	"net"
	"net/http"
	"sync"
	"time"

	"im/domain"
	"im/internal/edge"
)

// drainer begins the drain of a node's sockets, once: by SIGTERM or by POST /drain,
// whichever comes first.
type drainer struct {
	once sync.Once
	done chan struct{} // closed when all sockets are closed
}

func newDrainer() *drainer { return &drainer{done: make(chan struct{})} }

// beginDrain makes the node not ready, refuses new sockets, and asks the clients of open
// ones to reconnect elsewhere. It returns at once; the channel is closed when all are
// closed, at the latest after Options.Drain.
func (n *Node) beginDrain(ctx context.Context) (drained <-chan struct{}) {
	n.drainer.once.Do(func() {
		n.serving.Store(false)
		draining, cancel := context.WithTimeout(context.WithoutCancel(ctx), n.o.Drain)
		go func() {
			defer close(n.drainer.done)
			defer cancel()
			if err := n.gateway.Drain(draining); err != nil {
				n.o.Logger.WarnContext(ctx, "sockets were closed before they had drained", "error", err)
			}
		}()
	})
	return n.drainer.done
}

// serveDrain answers POST /drain of the admin address. It begins the drain as SIGTERM does,
// and waits until the sockets are closed: 200. After the time that wait= names, it answers
// 202, and the drain goes on. The process continues to serve calls until SIGTERM. It does
// not become ready again.
//
// Only callers on this machine, or in this pod, may drain the node: an admin address that
// is open to a network, for its metrics, must not let others empty the cluster.
func (n *Node) serveDrain(w http.ResponseWriter, r *http.Request) {
	if addr, err := net.ResolveTCPAddr("tcp", r.RemoteAddr); err != nil || !addr.IP.IsLoopback() {
		edge.WriteProblem(w, http.StatusForbidden, domain.ErrForbidden.WithMessage("only callers on the node's own machine or in its pod may drain it: im drain"))
		return
	}
	var waited <-chan time.Time
	if text := r.URL.Query().Get("wait"); text != "" {
		wait, err := time.ParseDuration(text)
		if err != nil || wait < 0 {
			edge.WriteProblem(w, http.StatusBadRequest, domain.Invalid("/wait", "it must be a duration such as 20s"))
			return
		}
		waited = time.After(wait)
	}
	n.o.Logger.InfoContext(r.Context(), "draining, as POST /drain asked for")
	select {
	case <-n.beginDrain(r.Context()):
		writeDrain(w, http.StatusOK, "drained")
	case <-waited:
		writeDrain(w, http.StatusAccepted, "draining")
	case <-r.Context().Done():
	}
}

func writeDrain(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"status": text})
}
