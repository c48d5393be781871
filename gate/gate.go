package gate

import (
	"context"
	"log/slog"

	"im/domain"
)

// Verifier judges tokens by themselves: signature, claims, time.
type Verifier interface {
	Verify(ctx context.Context, raw string) (domain.Identity, error)
}

// Options are the parts of a Gate; all are required.
type Options struct {
	Verifier Verifier
	Profiles Profiles
	Limits   domain.Limits
	Logger   *slog.Logger
}

// Gate judges tokens. Safe for concurrent use; Run has to run beside it.
type Gate struct {
	verifier Verifier
	limits   domain.Limits
	claims   *claims
}

// New returns a Gate.
func New(o Options) *Gate {
	return &Gate{verifier: o.Verifier, limits: o.Limits, claims: newClaims(o.Profiles, o.Logger)}
}

// Verify returns whom raw speaks for, and notes what it says of the user.
func (g *Gate) Verify(ctx context.Context, raw string) (domain.Identity, error) {
	id, err := g.verifier.Verify(ctx, raw)
	if err != nil {
		return id, err
	}
	if c, ok := id.Claims(g.limits); ok {
		g.claims.note(c)
	}
	return id, nil
}

// Run writes profiles behind until ctx ends, and what is left then.
func (g *Gate) Run(ctx context.Context) error { return g.claims.run(ctx) }
