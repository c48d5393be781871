package app

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"im/internal/origin"
)

// DefaultIdleTimeout is the default of Edge.IdleTimeout. Load balancers keep connections
// for up to 600 s. If the node closed one first, the next request on it would be lost.
const DefaultIdleTimeout = 620 * time.Second

// Edge is how browsers and proxies reach a node.
type Edge struct {
	PublicURL     string        `group:"Proxies" name:"public-url" placeholder:"https://HOST/PATH/" help:"Address of the node for browsers, if it is behind a proxy. Pages from there may connect. Its path is removed from requests if the proxy has not done that."`
	IdleTimeout   time.Duration `group:"Proxies" default:"620s" help:"How long a connection without a request stays open. It must be longer than load balancers in front of the node keep connections. Sockets have their own heartbeat."`
	ProxyProtocol string        `group:"Proxies" enum:"off,on" default:"off" help:"Whether connections from trusted proxies may begin with a PROXY protocol header, version 1 or 2, which names the client."`
}

// check validates what no tag can describe.
func (e Edge) check(r Rules) error {
	var errs []error
	if _, err := e.publicURL(); err != nil {
		errs = append(errs, fmt.Errorf("IM_PUBLIC_URL: %w", err))
	}
	if e.IdleTimeout < 0 || e.IdleTimeout > 0 && e.IdleTimeout < time.Second {
		errs = append(errs, errors.New("IM_IDLE_TIMEOUT must be 1s or more"))
	}
	if e.ProxyProtocol == "on" && len(r.TrustedProxies) == 0 {
		errs = append(errs, errors.New("IM_PROXY_PROTOCOL=on needs IM_TRUSTED_PROXIES: only trusted proxies may name the client"))
	}
	return errors.Join(errs...)
}

// publicURL returns PublicURL; nil if it is not set.
func (e Edge) publicURL() (*url.URL, error) {
	if e.PublicURL == "" {
		return nil, nil
	}
	u, err := url.Parse(e.PublicURL)
	switch {
	case err != nil, u.Scheme != "http" && u.Scheme != "https", u.Host == "", u.User != nil, u.RawQuery != "", u.Fragment != "":
		return nil, fmt.Errorf("%q is not a URL such as https://chat.example.com/ or https://example.com/chat/", e.PublicURL)
	case !isPlainPath(u.EscapedPath()):
		return nil, errors.New("its path may have letters, digits and . _ ~ - only")
	}
	if _, err := origin.Parse(u.Scheme + "://" + u.Host); err != nil {
		return nil, fmt.Errorf("%q %w", e.PublicURL, err)
	}
	return u, nil
}

// isPlainPath reports whether a path is the same in every spelling: it has no empty
// segment before its end, no . or .., and nothing to escape.
func isPlainPath(path string) bool {
	for segment := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		if segment == "" && strings.Trim(path, "/") != "" || segment == "." || segment == ".." {
			return false
		}
	}
	const plain = "/abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._~-"
	return strings.Trim(path, plain) == "" && !strings.HasPrefix(path, "//") && !strings.HasSuffix(path, "//")
}

// prefix returns the path of the public URL without a slash at its end; "" if there is
// none. check must have accepted e.
func (e Edge) prefix() string {
	u, err := e.publicURL()
	if err != nil || u == nil {
		return ""
	}
	return strings.TrimRight(u.EscapedPath(), "/")
}

// Origins returns the policy on the pages that may connect.
func (e Edge) Origins(r Rules, logger *slog.Logger) (*origin.Policy, error) {
	public, err := e.publicURL()
	if err != nil {
		return nil, fmt.Errorf("IM_PUBLIC_URL: %w", err)
	}
	proxies, err := r.proxies()
	if err != nil {
		return nil, err
	}
	p, err := origin.New(origin.Options{Allowed: r.AllowedOrigins, PublicURL: public, Proxies: proxies, Logger: logger})
	if err != nil {
		return nil, fmt.Errorf("IM_ALLOWED_ORIGINS: %w", err)
	}
	return p, nil
}
