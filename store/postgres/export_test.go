package postgres

import "context"

// SweepNow runs every kind of sweep once.
func (s *Store) SweepNow(ctx context.Context) error { return s.sweepOnce(ctx, true, true) }
