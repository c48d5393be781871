package origin

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"im/domain"
	"im/internal/edge"
	"im/internal/forwarded"
)

// Options configure a Policy. The zero value allows pages of the node itself only.
type Options struct {
	// Allowed are origins that are allowed in addition to the node's own:
	//
	//	https://app.example.com      one origin; the port may be left out
	//	https://*.example.com        all names below example.com, but not that itself
	//	http://localhost:*           every port
	//	capacitor://localhost        another scheme, with or without a host: app://
	//	chrome-extension://*         every host
	//	file://                      pages from files, which browsers call null
	//	null                         pages without an origin of their own
	//	*                            every page
	Allowed []string
	// PublicURL is the address of the node for browsers; nil if it is not known.
	PublicURL *url.URL
	// Proxies are trusted to say which host the client has asked for.
	Proxies forwarded.Proxies
	// Logger gets refusals; the default is none.
	Logger *slog.Logger
}

// Policy decides which pages may connect. It may be used concurrently.
type Policy struct {
	allowed []pattern
	public  *Origin
	proxies forwarded.Proxies
	log     *edge.Refusals
}

// New returns a Policy. It fails for an element of Allowed that cannot match.
func New(o Options) (*Policy, error) {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	p := &Policy{proxies: o.Proxies, log: edge.NewRefusals(o.Logger)}
	for _, text := range o.Allowed {
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		allowed, err := parsePattern(text)
		if err != nil {
			return nil, err
		}
		if allowed.isWide() {
			o.Logger.Warn("every page on the internet can have an allowed origin", "origin", text)
		}
		p.allowed = append(p.allowed, allowed)
	}
	if o.PublicURL != nil {
		public, err := Parse(o.PublicURL.Scheme + "://" + o.PublicURL.Host)
		if err != nil {
			return nil, fmt.Errorf("the origin of the public URL %w", err)
		}
		p.public = &public
	}
	return p, nil
}

// Check returns nil if the request comes from no web page or from one that is allowed.
// Otherwise it returns an ErrForbidden, which says what differs, and logs that.
func (p *Policy) Check(r *http.Request) error {
	reason := p.refuse(r)
	if reason == "" {
		return nil
	}
	p.log.Log(r.Context(), "origin", "a page was refused: IM_ALLOWED_ORIGINS does not name its origin",
		"origin", strings.Join(r.Header.Values("Origin"), ", "), "host", r.Host,
		"forwarded_hosts", strings.Join(p.proxies.Target(r).Hosts[1:], ", "), "path", r.URL.Path, "reason", reason)
	return domain.ErrForbidden.WithMessage(reason)
}

// refuse returns why the page of a request may not connect; "" if it may.
func (p *Policy) refuse(r *http.Request) (reason string) {
	sent := r.Header.Values("Origin")
	switch len(sent) {
	case 0:
		return ""
	case 1:
	default:
		return fmt.Sprintf("the request has %d headers Origin", len(sent))
	}
	o, err := Parse(sent[0])
	if err != nil {
		return fmt.Sprintf("the Origin %q %v", sent[0], err)
	}
	for _, allowed := range p.allowed {
		if allowed.matches(o) {
			return ""
		}
	}
	if p.public != nil && o == *p.public {
		return ""
	}
	target := p.proxies.Target(r)
	for _, host := range target.Hosts {
		if !o.hasAddress(host) {
			continue
		}
		if target.TLS && o.scheme != "https" {
			return fmt.Sprintf("the Origin %q is not that of this server, which browsers reach by https, and IM_ALLOWED_ORIGINS does not name it", sent[0])
		}
		return ""
	}
	return fmt.Sprintf("the Origin %q differs from the Host %s of the request, and IM_ALLOWED_ORIGINS does not name it", sent[0], quoted(target.Hosts))
}

// quoted lists the hosts of a target.
func quoted(hosts []string) string {
	text := fmt.Sprintf("%q", hosts[0])
	if len(hosts) > 1 {
		text += fmt.Sprintf(" (forwarded: %q)", hosts[1:])
	}
	return text
}
