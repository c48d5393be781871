package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"im/domain"
	"im/internal/app"
	"im/tools/verify"
)

// errBreach is the end of a run that found something: exit code 1.
var errBreach = errors.New("verify: not every guarantee could be shown to hold")

// verifyCmd is `im verify`.
type verifyCmd struct {
	URL       []string `name:"url" placeholder:"http://HOST:PORT" help:"A node; may be repeated. By default the im dev of this folder, else ${default_url}."`
	Token     string   `name:"token" placeholder:"TOKEN" help:"A server token. By default one signed with IM_JWT_SECRET; beside im dev none is needed. With nothing but a server token users act over REST only."`
	Secret    string   `name:"jwt-secret" help:"The nodes' secret, to sign the users' tokens with; not needed beside im dev."`
	UserClaim string   `name:"jwt-user-claim" default:"sub" hidden:""`
	Issuer    string   `name:"jwt-issuer" hidden:""`
	Audience  string   `name:"jwt-audience" hidden:""`
	Data      string   `name:"data" default:"${default_data}" hidden:"" help:"The data folder of im dev."`

	Duration       time.Duration `default:"30s" help:"How long users send."`
	Rate           float64       `default:"50" help:"Sends per second, of all users together."`
	Users          int           `default:"20" help:"How many users; each has one to three devices at a time."`
	Conversations  int           `env:"IM_VERIFY_CONVERSATIONS" help:"How many at the beginning, direct ones and groups; by default as many as users."`
	Seed           uint64        `help:"Repeats the choices of a former run, as far as concurrency allows."`
	Floods         bool          `default:"true" negatable:"" help:"Have readers stop, one at a time, until their node gives up events for a gap; each time 3 MiB are sent to a conversation."`
	CompleteWithin time.Duration `default:"10s" help:"How long an event may take to a session that is connected (I6)."`
	Settle         time.Duration `default:"30s" help:"How long after the last send everything may take to be answered and to arrive."`
	Prefix         string        `name:"user-prefix" help:"How the names of the users begin; by default by chance, so that runs do not meet."`
	JSON           bool          `name:"json" help:"Print the report as JSON."`
	Quiet          bool          `help:"Say nothing on the way."`
}

// Help implements kong's help.
func (verifyCmd) Help() string {
	return `Plays many users with several devices each against a running cluster: they send, reconnect, read slowly, change devices and groups, over WebSocket and REST mixed. Then it reads every log and judges, by what the clients saw: what was answered as sent is there once (I1, I3), logs are dense (I2), every session saw its events in order and without a hole (I4), only what was committed (I5), and all of it in time (I6); unread counts equal a recount.

It makes users and conversations of its own, which stay. Exit code 0: everything held; 1: a breach, or something could not be judged; 2: wrong settings.`
}

// Run plays and judges.
func (c *verifyCmd) Run(ctx context.Context, std streams) error {
	o, err := c.options(std.err)
	if err != nil {
		return err
	}
	report, err := verify.Run(ctx, o)
	if err != nil {
		return err
	}
	text := []byte(report.Text())
	if c.JSON {
		if text, err = report.JSON(); err != nil {
			return err
		}
		text = append(text, '\n')
	}
	if _, err := std.out.Write(text); err != nil {
		return err
	}
	if !report.OK() {
		return errBreach
	}
	return nil
}

func (c *verifyCmd) options(progress io.Writer) (verify.Options, error) {
	t := target{URL: c.URL, Secret: c.Secret, UserClaim: c.UserClaim, Issuer: c.Issuer, Audience: c.Audience, Data: c.Data}
	urls, err := t.nodes()
	if err != nil {
		return verify.Options{}, err
	}
	if c.Users < 3 || c.Rate <= 0 || c.Duration <= 0 || c.Conversations < 0 {
		return verify.Options{}, usageError{errors.New("--users must be 3 or more; --rate and --duration above 0")}
	}
	if c.Prefix != "" {
		if _, err := domain.ParseUserID("--user-prefix", c.Prefix); err != nil || len(c.Prefix) > 32 {
			return verify.Options{}, usageError{fmt.Errorf("--user-prefix must be at most 32 letters, digits and any of . _ : @ - + =")}
		}
	}
	o := verify.Options{
		URLs: urls, Users: c.Users, Conversations: c.Conversations, Duration: c.Duration, Rate: c.Rate, Seed: c.Seed, Floods: c.Floods,
		CompleteWithin: c.CompleteWithin, Settle: c.Settle, Prefix: c.Prefix, ServerToken: c.serverToken(),
		Token: func(ctx context.Context, user string) (string, error) {
			return t.tokens(domain.UserID(user), urls)(ctx)
		},
	}
	if !c.Quiet {
		o.Progress = progress
	}
	return o, nil
}

// serverToken returns what gives tokens of the backend; nil where nothing can.
func (c *verifyCmd) serverToken() func(context.Context) (string, error) {
	switch {
	case c.Token != "":
		return func(context.Context) (string, error) { return c.Token, nil }
	case c.Secret != "":
		signer := app.Tokens{Secret: c.Secret, UserClaim: c.UserClaim, Issuer: c.Issuer, Audience: c.Audience}
		return func(context.Context) (string, error) { return signer.Sign("im-verify", true, signedTTL) }
	}
	return nil
}
