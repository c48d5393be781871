package edge

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"im/domain"
)

func TestBearerToken(t *testing.T) {
	for _, lines := range [][]string{{"Bearer a.b.c"}, {"bearer a.b.c"}, {" BEARER  a.b.c "}, {"Basic eHk=", "Bearer a.b.c"}} {
		token, err := BearerToken(http.Header{"Authorization": lines})
		require.NoError(t, err, lines)
		require.Equal(t, "a.b.c", token, lines)
	}
	for reason, lines := range map[string][]string{
		"the header Authorization is missing": nil,
		`must be "Bearer", a space`:           {"a.b.c", "Basic eHk=", "Bearer", ""},
	} {
		_, err := BearerToken(http.Header{"Authorization": lines})
		require.ErrorIs(t, err, domain.ErrUnauthenticated)
		require.ErrorContains(t, err, reason)
		require.NotContains(t, err.Error(), "a.b.c")
	}
}
