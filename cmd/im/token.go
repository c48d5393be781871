package main

import (
	"errors"
	"fmt"
	"time"

	"im/domain"
	"im/internal/app"
)

// tokenCmd prints a token.
type tokenCmd struct {
	User   string        `required:"" help:"User that the token is for."`
	Server bool          `help:"Sign a server token, for the backend of an app."`
	TTL    time.Duration `name:"ttl" default:"24h" help:"How long the token is valid."`

	app.Signing
}

// Run implements the command.
func (c *tokenCmd) Run(std streams) error {
	user, err := domain.ParseUserID("--user", c.User)
	if err != nil {
		return usageError{fmt.Errorf("--user: %s", reason(err))}
	}
	if c.TTL <= 0 {
		return usageError{errors.New("--ttl must be above 0")}
	}
	signed, err := c.Sign(user, c.Server, c.TTL)
	if err != nil {
		return usageError{err}
	}
	_, err = fmt.Fprintln(std.out, signed)
	return err
}

// reason returns why the one field of an invalid error is invalid.
func reason(err error) string {
	if d, ok := errors.AsType[*domain.Error](err); ok {
		for _, why := range d.Fields {
			return why
		}
	}
	return err.Error()
}
