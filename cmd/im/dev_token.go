package main

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"time"

	"im/domain"
	"im/internal/app"
)

const (
	devTokenPath = "/dev/token"
	devTokenTTL  = 7 * 24 * time.Hour
)

// devTokenRequest and devTokenAnswer are the bodies of POST /dev/token.
type devTokenRequest struct {
	User string `json:"user"`
}

type devTokenAnswer struct {
	Token   string      `json:"token"`
	UserID  string      `json:"user_id"`
	Expires domain.Time `json:"expires_at"`
}

// tokenDesk gives a token to whoever asks for one, by any name: in `im dev`
// only, to programs and pages of this machine only. A page elsewhere has
// another Origin; one whose name was made to point here has another Host.
type tokenDesk struct {
	tokens app.Tokens
	addr   net.Addr // where the node listens
}

func newTokenDesk(tokens app.Tokens, addr net.Addr) *tokenDesk { return &tokenDesk{tokens, addr} }

// ServeHTTP implements http.Handler.
func (d *tokenDesk) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	if r.Method != http.MethodPost {
		refuse(w, http.StatusNotFound, domain.CodeNotFound, "no such path or method")
		return
	}
	if origin := r.Header.Get("Origin"); !d.own(r.Host) || origin != "" && origin != "http://"+r.Host || !fromHere(r.RemoteAddr) {
		refuse(w, http.StatusForbidden, domain.CodeForbidden, "tokens are for this machine's own pages and programs")
		return
	}
	var request devTokenRequest
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4<<10))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&request); err != nil {
		refuse(w, http.StatusBadRequest, domain.CodeInvalid, `the body must be {"user":"…"}`)
		return
	}
	user, err := domain.ParseUserID("/user", request.User)
	if err != nil {
		refuse(w, http.StatusBadRequest, domain.CodeInvalid, "/user "+reason(err))
		return
	}
	signed, err := d.tokens.Sign(user, false, devTokenTTL)
	if err != nil {
		refuse(w, http.StatusForbidden, domain.CodeForbidden, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(devTokenAnswer{signed, request.User, domain.TimeOf(time.Now().Add(devTokenTTL))})
}

// own tells whether host is a name of the listening address, or of this machine.
func (d *tokenDesk) own(host string) bool {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, "80"
	}
	tcp, ok := d.addr.(*net.TCPAddr)
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

// fromHere tells whether a request came over the loopback interface.
func fromHere(remote string) bool {
	addr, err := netip.ParseAddrPort(remote)
	return err == nil && addr.Addr().Unmap().IsLoopback()
}

func refuse(w http.ResponseWriter, status int, code domain.Code, message string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]any{
		"type": "about:blank", "title": http.StatusText(status), "status": status, "detail": message,
		"code": code, "retry": domain.RetryNever,
	})
}
