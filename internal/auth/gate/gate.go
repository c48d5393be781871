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
	Verifier    Verifier
	Profiles    Profiles
	Revocations Revocations
	Limits      domain.Limits
	Logger      *slog.Logger
}

// Gate judges tokens. Safe for concurrent use; Run has to run beside it.
type Gate struct {
	verifier Verifier
	limits   domain.Limits
	claims   *claims
	verdicts *verdicts
}

// New returns a Gate.
func New(o Options) *Gate {
	return &Gate{verifier: o.Verifier, limits: o.Limits, claims: newClaims(o.Profiles, o.Logger), verdicts: newVerdicts(o.Revocations)}
}

// Verify returns whom raw speaks for, and notes what it says of the user. A
// revocation is not looked at: that is for whoever lets sessions in, or for Calls.
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

// Calls is the gate for single calls, where each has to be judged by itself.
type Calls struct{ *Gate }

// Verify is Gate.Verify, and refuses a token that was revoked; a revocation
// holds a second after it was made at the latest.
func (c Calls) Verify(ctx context.Context, raw string) (domain.Identity, error) {
	id, err := c.Gate.Verify(ctx, raw)
	if err == nil {
		err = c.verdicts.judge(ctx, id)
	}
	if err != nil {
		return domain.Identity{}, err
	}
	return id, nil
}

// Run writes profiles behind until ctx ends, and what is left then.
func (g *Gate) Run(ctx context.Context) error { return g.claims.run(ctx) }
