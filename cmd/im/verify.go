package main

import (
	"context"
	"errors"
	"io"
	"time"

	"im/domain"
	"im/internal/app"
	"im/tools/verify"
)

// errBreach is returned if a breach was found, or something could not be checked.
var errBreach = errors.New("verify: not every guarantee was shown to hold")

// verifyCmd is `im verify`.
type verifyCmd struct {
	nodeFlags
	app.Signing

	Token string `group:"Tokens" name:"token" placeholder:"TOKEN" help:"A server token. By default the command signs one with --jwt-secret; im dev needs none. With only a server token, users act over REST only."`

	Duration       time.Duration `default:"30s" help:"How long users send."`
	Rate           float64       `default:"50" help:"Sends per second of all users together."`
	Users          int           `default:"20" help:"Number of users. Each has one to three devices at a time."`
	Conversations  int           `help:"Number of conversations at the start, direct ones and groups. By default as many as users."`
	Seed           uint64        `help:"Seed of the random choices, to repeat those of an earlier run as far as concurrency allows."`
	Floods         bool          `default:"true" negatable:"" help:"Stop one reader at a time until its node drops events and reports a gap. Each flood sends 3 MiB to a conversation."`
	Webhook        bool          `help:"Check webhooks, too: make one for all events, and receive its calls. Nodes must reach the receiver, and have its address in IM_WEBHOOK_ALLOW."`
	WebhookListen  string        `default:"127.0.0.1:0" placeholder:"ADDR" help:"Address at which the receiver of the webhook listens."`
	WebhookURL     string        `name:"webhook-url" placeholder:"URL" help:"URL at which nodes call the receiver. By default it is made of the address."`
	WebhookAway    time.Duration `help:"How long the receiver is away, after a third of the run. The calls must come again within --settle: see IM_WEBHOOK_RETRIES."`
	CompleteWithin time.Duration `default:"10s" help:"Longest time for an event to reach a connected session (I6)."`
	Settle         time.Duration `default:"30s" help:"How long to wait, after the last send, for answers and events."`
	Prefix         string        `name:"user-prefix" help:"Prefix of the names of users. By default it is random, so that runs do not share users."`
	JSON           bool          `name:"json" help:"Print the report as JSON."`
	Quiet          bool          `help:"Print no progress."`
}

// Help implements kong.HelpProvider.
func (verifyCmd) Help() string {
	return `Simulates many users with several devices each against a running cluster. The users send, reconnect, read slowly, and change devices and groups, over WebSocket and REST. Then it reads every log and checks it against what the clients saw: every acknowledged send is in the log exactly once (I1, I3); logs are dense (I2); every session saw its events in order and without a hole (I4), only committed ones (I5), and all of them in time (I6); unread counts equal a recount.

It creates users and conversations of its own and does not delete them. Exit code 0: everything held. 1: a breach, or something could not be checked. 2: wrong settings.`
}

// Run runs the simulation and prints the report.
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

// options checks the flags and returns the options of the run.
func (c *verifyCmd) options(progress io.Writer) (verify.Options, error) {
	urls, err := c.nodes()
	if err != nil {
		return verify.Options{}, err
	}
	if c.Users < 3 || c.Rate <= 0 || c.Duration <= 0 || c.Conversations < 0 {
		return verify.Options{}, usageError{errors.New("--users must be 3 or more; --rate and --duration must be above 0; --conversations must not be negative")}
	}
	if c.Prefix != "" {
		if _, err := domain.ParseUserID("--user-prefix", c.Prefix); err != nil || len(c.Prefix) > 32 {
			return verify.Options{}, usageError{errors.New("--user-prefix must be at most 32 letters, digits and any of . _ : @ - + =")}
		}
	}
	if c.Webhook && c.serverToken() == nil {
		return verify.Options{}, usageError{errors.New("--webhook needs --token or IM_JWT_SECRET")}
	}
	o := verify.Options{
		Webhook: c.Webhook, WebhookListen: c.WebhookListen, WebhookURL: c.WebhookURL, WebhookAway: c.WebhookAway,
		URLs: urls, Users: c.Users, Conversations: c.Conversations, Duration: c.Duration, Rate: c.Rate, Seed: c.Seed, Floods: c.Floods,
		CompleteWithin: c.CompleteWithin, Settle: c.Settle, Prefix: c.Prefix, ServerToken: c.serverToken(),
		Token: func(ctx context.Context, user string) (string, error) {
			return userToken(ctx, c.Signing, urls, domain.UserID(user))
		},
	}
	if !c.Quiet {
		o.Progress = progress
	}
	return o, nil
}

// serverToken returns the source of server tokens: --token, or tokens signed with the
// secret. It returns nil if there is neither.
func (c *verifyCmd) serverToken() func(context.Context) (string, error) {
	switch {
	case c.Token != "":
		return func(context.Context) (string, error) { return c.Token, nil }
	case c.Secret != "":
		return func(context.Context) (string, error) { return c.Sign("im-verify", true, signedTTL) }
	}
	return nil
}
