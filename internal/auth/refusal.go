package auth

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"im/domain"
)

// refusal is why a token is not accepted. Its reason is for the client and for the log.
// It never contains the token or its signature.
type refusal struct {
	check  string // the check that failed, one of a few
	reason string
	cause  error // for the log; nil if the reason says everything
}

// The checks, in their order.
const (
	checkForm      = "form"
	checkAlgorithm = "algorithm"
	checkKey       = "key"
	checkSignature = "signature"
	checkIssuer    = "issuer"
	checkAudience  = "audience"
	checkTimes     = "times"
	checkClaims    = "claims"
	checkExpiry    = "expiry"
)

func refuse(check, format string, args ...any) *refusal {
	return &refusal{check: check, reason: fmt.Sprintf(format, args...)}
}

func (r *refusal) because(cause error) *refusal {
	r.cause = cause
	return r
}

// Error implements error.
func (r *refusal) Error() string { return r.check + ": " + r.reason }

// coded returns the error of the contract. Its message is the reason.
func (r *refusal) coded() error {
	if r.check == checkExpiry {
		return domain.ErrTokenExpired.WithMessage(r.reason)
	}
	return domain.ErrUnauthenticated.WithMessage(r.reason).WithCause(r.cause)
}

// quote quotes a text of a token for a reason. It shortens long ones.
func quote(text string) string {
	const longest = 120
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return strconv.Quote(text)
}

// quoteAll quotes the elements of a list.
func quoteAll(list []string) string {
	quoted := make([]string, 0, len(list))
	for _, text := range list[:min(len(list), 10)] {
		quoted = append(quoted, quote(text))
	}
	return strings.Join(quoted, ", ")
}

// oneOf quotes what a setting requires.
func oneOf(list []string) string {
	if len(list) == 1 {
		return quote(list[0])
	}
	return "one of " + quoteAll(list)
}

func clock(t time.Time) string { return t.UTC().Format(time.RFC3339) }
