package realtime

import (
	"fmt"
	"net/http"
	"net/netip"
	"strings"

	"im/domain"
	"im/internal/edge"
)

const subprotocol = "im.v1"

// admit checks a handshake before it is upgraded. The identity is nil if the
// token is to come with the hello.
func (g *Gateway) admit(r *http.Request, from netip.Prefix) (*domain.Identity, int, error) {
	if g.isDraining() {
		return nil, http.StatusServiceUnavailable, errDraining()
	}
	if err := g.o.Origins.Check(r); err != nil {
		return nil, http.StatusForbidden, err
	}
	if offered := r.Header.Values("Sec-WebSocket-Protocol"); len(offered) > 0 && !offers(offered, subprotocol) {
		return nil, http.StatusBadRequest, domain.ErrInvalid.WithMessage(fmt.Sprintf(
			"the header Sec-WebSocket-Protocol offers %q; the subprotocol is %s", strings.Join(offered, ", "), subprotocol))
	}
	if err := g.o.RateLimiter.Admit(domain.RateConnect, "", from); err != nil {
		return nil, http.StatusTooManyRequests, err
	}
	if r.Header.Get("Authorization") == "" {
		return nil, 0, nil
	}
	raw, err := edge.BearerToken(r.Header)
	if err != nil {
		return nil, http.StatusUnauthorized, err
	}
	identity, err := g.o.Authenticator.Verify(r.Context(), raw)
	if err == nil && identity.User == "" {
		err = domain.ErrUnauthenticated
	}
	if err != nil {
		return nil, tokenStatus(err), err
	}
	return &identity, 0, nil
}

func offers(headers []string, protocol string) bool {
	for _, header := range headers {
		for name := range strings.SplitSeq(header, ",") {
			if strings.TrimSpace(name) == protocol {
				return true
			}
		}
	}
	return false
}
