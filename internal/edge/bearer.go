package edge

import (
	"net/http"
	"strings"

	"im/domain"
)

// BearerToken returns the token of the first header Authorization that has one, with the
// scheme Bearer in any case. It fails with ErrUnauthenticated if there is none.
func BearerToken(h http.Header) (string, error) {
	lines := h.Values("Authorization")
	for _, line := range lines {
		if scheme, token, ok := strings.Cut(strings.TrimSpace(line), " "); ok && strings.EqualFold(scheme, "Bearer") {
			return strings.TrimSpace(token), nil
		}
	}
	if len(lines) == 0 {
		return "", domain.ErrUnauthenticated.WithMessage("a token is required, and the header Authorization is missing")
	}
	return "", domain.ErrUnauthenticated.WithMessage(`the header Authorization must be "Bearer", a space, and the token`)
}
