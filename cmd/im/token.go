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
	User   string        `required:"" help:"Whose token it is."`
	Server bool          `help:"A server token, for the app's backend."`
	TTL    time.Duration `name:"ttl" default:"24h" help:"How long it is good."`

	Secret    string `name:"jwt-secret" help:"The nodes' secret, 32 bytes or more."`
	UserClaim string `name:"jwt-user-claim" default:"sub" help:"The claim that is the user."`
	Issuer    string `name:"jwt-issuer" help:"The nodes' issuer, if they ask for one."`
	Audience  string `name:"jwt-audience" help:"The nodes' audience, if they ask for one."`
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
	tokens := app.Tokens{Secret: c.Secret, UserClaim: c.UserClaim, Issuer: c.Issuer, Audience: c.Audience}
	signed, err := tokens.Sign(user, c.Server, c.TTL)
	if err != nil {
		return usageError{err}
	}
	_, err = fmt.Fprintln(std.out, signed)
	return err
}

// reason is what is wrong with the one field of an invalid error.
func reason(err error) string {
	if d, ok := errors.AsType[*domain.Error](err); ok {
		for _, why := range d.Fields {
			return why
		}
	}
	return err.Error()
}
