package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"im/internal/settings"
	"im/tools/doctor"
	"im/tools/support"
)

// minSecret is the length from which im support looks for a secret. A shorter one, such as
// guest, also occurs in other text.
const minSecret = 6

// supportCmd packs what helps others to help. It has the settings of a node, as im doctor
// has.
type supportCmd struct {
	adminFlags

	Output string `placeholder:"FILE" help:"File to write. It must not exist. By default im-support-, the time, and .tar.gz."`

	Doctor doctorFlags `embed:""`
}

// Help implements kong.HelpProvider.
func (supportCmd) Help() string {
	return `Run it with the settings of a node, and name the nodes. The archive has the findings of im doctor, the settings and where they come from, the version, and of each node the metrics, the stacks of its goroutines and a profile of its memory. It has no passwords, tokens, messages or users. Look into it before you give it away all the same.`
}

// Run implements the command.
func (c *supportCmd) Run(ctx context.Context, std streams, env environment) error {
	urls, err := c.admins()
	if err != nil {
		return err
	}
	options, err := c.Doctor.options()
	if err != nil {
		return err
	}
	found, err := newConfiguration(env, nil)
	if err != nil {
		return usageError{err}
	}
	version, err := readVersion(ctx)
	if err != nil {
		return err
	}
	report := doctor.Run(ctx, options)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	path := cmp.Or(c.Output, "im-support-"+time.Now().UTC().Format("20060102-150405")+".tar.gz")
	names, err := support.Write(ctx, support.Options{
		Path: path, AdminURLs: urls, Secrets: c.secrets(found),
		JSON: map[string]any{"doctor.json": report, "settings.json": found.printed(), "version.json": version},
	})
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := fmt.Fprintln(std.err, "  "+name); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintln(std.out, path)
	return err
}

// secrets returns the secrets among the settings, and the passwords of URLs.
func (c *supportCmd) secrets(found *configuration) []string {
	list := []string{c.Doctor.Token, c.Doctor.Secret}
	for _, s := range found.settings {
		if s.flag.Tag.Has("secret") {
			list = append(list, s.value)
		}
		list = append(list, settings.Passwords(s.value)...)
	}
	for _, text := range append([]string{c.Doctor.DatabaseURL, c.Doctor.DatabaseDirectURL, c.Doctor.DatabaseReplicaURL, c.Doctor.RedisURL, c.Doctor.AMQPURL, c.Doctor.Events.URL}, c.Doctor.JWKSURLs...) {
		list = append(list, settings.Passwords(text)...)
	}
	return slices.DeleteFunc(list, func(s string) bool { return len(s) < minSecret })
}
