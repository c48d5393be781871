package app

import (
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"

	"im/attachment"
	"im/domain"
	"im/internal/edge"
	"im/rest"
)

// AttachmentOptions returns the options of the storage, as far as settings say them.
func (r Rules) AttachmentOptions() attachment.Options {
	a := r.Attachments
	base, _ := a.base() // check has accepted it
	return attachment.Options{
		Limits: domain.Limits(r.Limits), Address: a.Storage, AccessKey: a.AccessKey, SecretKey: a.SecretKey, Base: base, Orphan: a.Orphans,
	}
}

func (n *Node) openAttachments() (*attachment.Service, error) {
	o := n.o.Rules.AttachmentOptions()
	o.Store, o.Logger, o.Metrics = n.store, n.o.Logger.With("component", "attachment"), n.metrics
	s, err := attachment.New(o)
	if err != nil {
		return nil, fmt.Errorf("IM_ATTACHMENTS: %w", err)
	}
	return s, nil
}

// files returns the handler of signed addresses of files.
func (n *Node) files(headers int) http.Handler {
	return withHeaderLimit(headers, n.attachments.Handler(n.sentTo, func(w http.ResponseWriter, r *http.Request, err error) {
		known := edge.Coded(err)
		if known.Code == domain.CodeUnavailable || known.Code == domain.CodeInternal {
			n.o.Logger.WarnContext(r.Context(), "a file was not taken or served", "method", r.Method, "path", r.URL.Path, "error", err)
		}
		edge.WriteProblem(w, rest.StatusOf(known.Code), known)
	}))
}

// address returns the address of the node as the client of a request sees it: the public
// URL or, without one, where the request was sent.
func (n *Node) address(r *http.Request) *url.URL {
	if public, err := n.o.Edge.publicURL(); err == nil && public != nil {
		return public
	}
	proxies, _ := n.o.Rules.proxies() // New has checked them
	target := proxies.Target(r)
	at := &url.URL{Scheme: "http", Host: target.Hosts[0], Path: "/"}
	if len(target.Hosts) > 1 {
		at.Host = target.Hosts[1] // a trusted proxy says what the client has asked for
	}
	if target.TLS {
		at.Scheme = "https"
	}
	if parsed, err := url.Parse(at.String()); err != nil || parsed.Host != at.Host || parsed.User != nil {
		return &url.URL{Path: "/"}
	}
	return at
}

// sentTo reports whether a request was sent to the host of a URL.
func (n *Node) sentTo(r *http.Request, u *url.URL) bool {
	proxies, _ := n.o.Rules.proxies()
	for _, host := range proxies.Target(r).Hosts {
		if strings.EqualFold(withoutDefaultPort(host), withoutDefaultPort(u.Host)) {
			return true
		}
	}
	return false
}

func withoutDefaultPort(host string) string {
	if name, port, err := net.SplitHostPort(host); err == nil && (port == "80" || port == "443") {
		return name
	}
	return host
}
