package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"

	"im/domain"
	"im/internal/app"
	"im/internal/edge"
	"im/internal/origin"
)

const (
	devTokenPath = "/dev/token"
	devTokenTTL  = 7 * 24 * time.Hour
)

// devTokenRequest is the body of POST /dev/token.
type devTokenRequest struct {
	User string `json:"user"`
}

// devTokenAnswer is the body of its answer.
type devTokenAnswer struct {
	Token   string      `json:"token"`
	UserID  string      `json:"user_id"`
	Expires domain.Time `json:"expires_at"`
}

// tokenHandler issues a token for any user id that a request names. It exists in
// `im dev` only, and serves only programs of this machine, and pages from there or of
// allowed origins. A page of another site has another Origin; one whose name resolves to
// this machine (DNS rebinding) has another Host.
type tokenHandler struct {
	signing app.Signing
	addr    net.Addr // where the node listens
	origins *origin.Policy
}

func newTokenHandler(signing app.Signing, addr net.Addr, origins *origin.Policy) *tokenHandler {
	return &tokenHandler{signing, addr, origins}
}

// ServeHTTP implements http.Handler.
func (h *tokenHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		edge.WriteProblem(w, http.StatusNotFound, domain.ErrNotFound.WithMessage("no such path or method"))
		return
	}
	if !h.isOwnHost(r.Host) || !isLoopback(r.RemoteAddr) {
		edge.WriteProblem(w, http.StatusForbidden, domain.ErrForbidden.WithMessage(
			fmt.Sprintf("tokens are issued only on this machine: to requests from it, for localhost or %s (the Host is %q)", h.addr, r.Host)))
		return
	}
	if err := h.origins.Check(r); err != nil {
		edge.WriteProblem(w, http.StatusForbidden, edge.Coded(err))
		return
	}
	var request devTokenRequest
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		edge.WriteProblem(w, http.StatusBadRequest, domain.ErrInvalid.WithMessage(`the body must be {"user":"…"}`))
		return
	}
	user, err := domain.ParseUserID("/user", request.User)
	if err != nil {
		edge.WriteProblem(w, http.StatusBadRequest, edge.Coded(err))
		return
	}
	signed, err := h.signing.Sign(user, false, devTokenTTL)
	if err != nil {
		edge.WriteProblem(w, http.StatusForbidden, domain.ErrForbidden.WithMessage(err.Error()))
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(devTokenAnswer{signed, request.User, domain.TimeOf(time.Now().Add(devTokenTTL))})
}

// isOwnHost reports whether host is the listening address, or a loopback name with
// its port.
func (h *tokenHandler) isOwnHost(host string) bool {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, "80"
	}
	tcp, ok := h.addr.(*net.TCPAddr)
	if !ok || port != portOf(tcp) {
		return false
	}
	if name == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && (ip.IsLoopback() || ip.Unmap() == tcp.AddrPort().Addr().Unmap() && !ip.IsUnspecified())
}

func portOf(addr *net.TCPAddr) string {
	_, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return ""
	}
	return port
}

// isLoopback reports whether the address of a client is one of the loopback interface.
func isLoopback(remote string) bool {
	addr, err := netip.ParseAddrPort(remote)
	return err == nil && addr.Addr().Unmap().IsLoopback()
}
