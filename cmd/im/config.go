package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"im/internal/settings"
)

// configCmd is about the settings of im serve.
type configCmd struct {
	Check configCheckCmd `cmd:"" help:"Check all settings of a node without connecting to anything. Exit code 0 or 2."`
	Print configPrintCmd `cmd:"" help:"Print the settings of a node, with where each comes from and without secrets."`
}

// isConfig reports whether a command is about settings. It handles the problems with them
// itself.
func isConfig(command *kong.Context) bool { return strings.HasPrefix(command.Command(), "config ") }

// serveArgs are flags that im serve would be run with.
type serveArgs struct {
	Flags []string `arg:"" optional:"" passthrough:"all" help:"Flags of im serve, such as --addr=:9090."`
}

type configCheckCmd struct{ serveArgs }

// Run implements the command.
func (c *configCheckCmd) Run(std streams, env environment) error {
	found, err := newConfiguration(env, c.Flags)
	if err != nil {
		return usageError{err}
	}
	problems := found.problems()
	for _, problem := range problems {
		_, _ = fmt.Fprintln(std.err, problem)
	}
	switch len(problems) {
	case 0:
		_, err := fmt.Fprintln(std.out, "the settings are valid")
		return err
	case 1:
		return usageError{errors.New("the settings have 1 problem")}
	default:
		return usageError{fmt.Errorf("the settings have %d problems", len(problems))}
	}
}

type configPrintCmd struct {
	JSON bool `name:"json" help:"Print JSON."`

	serveArgs
}

// Run implements the command.
func (c *configPrintCmd) Run(std streams, env environment) error {
	found, err := newConfiguration(env, c.Flags)
	if err != nil {
		return usageError{err}
	}
	if c.JSON {
		return writeJSON(std.out, found.printed())
	}
	return found.write(std.out)
}

func writeJSON(w io.Writer, value any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	encoder.SetEscapeHTML(false)
	return encoder.Encode(value)
}

// setting is one setting of a node.
type setting struct {
	flag   *kong.Flag
	value  string
	set    bool   // it has a value that is not the default
	source string // where the value comes from
}

func (s setting) variable() string { return s.flag.Envs[0] }

// configuration is all settings of a node and where they come from.
type configuration struct {
	env      environment
	settings []setting // in the order of the help
}

// newConfiguration finds the settings that im serve would have with flags. The error is
// about the flags.
func newConfiguration(env environment, flags []string) (*configuration, error) {
	flags = slices.DeleteFunc(slices.Clone(flags), func(arg string) bool { return arg == "--" })
	given, err := parseServe(flags)
	if err != nil {
		return nil, err
	}
	c := &configuration{env: env}
	for _, flag := range serveFlags(env.app) {
		variable := flag.Envs[0]
		s := setting{flag: flag, value: flag.Default, source: "default"}
		if value := os.Getenv(variable); value != "" {
			s.value, s.set, s.source = value, true, variable
			if file := env.sources[variable]; file != "" {
				s.source = file
			}
		}
		if value, ok := given[flag.Name]; ok {
			s.value, s.set, s.source = value, true, "--"+flag.Name
		}
		c.settings = append(c.settings, s)
	}
	return c, nil
}

// serveFlags returns the settings of im serve.
func serveFlags(app *kong.Application) (flags []*kong.Flag) {
	for _, leaf := range app.Leaves(false) {
		if leaf.Path() != "serve" {
			continue
		}
		for _, group := range leaf.AllFlags(false) {
			for _, flag := range group {
				if len(flag.Envs) > 0 && flag.Envs[0] != configVariable {
					flags = append(flags, flag)
				}
			}
		}
	}
	return flags
}

// parseServe returns the values that flags of im serve have, as they are written.
func parseServe(args []string) (map[string]string, error) {
	c := new(cli)
	parser, err := newParser(streams{io.Discard, io.Discard}, c)
	if err != nil {
		return nil, err
	}
	command, err := parser.Parse(append([]string{"serve"}, args...))
	if err != nil {
		return nil, err
	}
	given := map[string]string{}
	for _, path := range command.Path {
		if path.Flag != nil {
			given[path.Flag.Name] = written(args, path.Flag)
		}
	}
	return given, nil
}

// written returns the value of a flag among arguments.
func written(args []string, flag *kong.Flag) (value string) {
	name := "--" + flag.Name
	for i, arg := range args {
		text, ok := strings.CutPrefix(arg, name+"=")
		switch {
		case ok:
			value = text
		case arg == name && flag.IsBool():
			value = "true"
		case arg == name && i+1 < len(args):
			value = args[i+1]
		}
	}
	return value
}

// problems returns everything that is wrong with the settings, one text each, and where.
func (c *configuration) problems() []string {
	var list []string
	add := func(where string, err error) {
		for line := range strings.Lines(errorText(err)) {
			text := c.env.located(errors.New(strings.TrimSpace(line))).Error()
			if where != "" {
				text = where + ": " + strings.TrimSpace(line)
			}
			if !slices.Contains(list, text) {
				list = append(list, text)
			}
		}
	}
	add("", c.env.problems)
	add("", c.env.checkVariables(serveFlags(c.env.app)))
	var good []string
	for _, s := range c.settings {
		if !s.set {
			continue
		}
		arg := "--" + s.flag.Name + "=" + s.value
		if _, err := parseServe([]string{arg}); err != nil {
			add(s.source, err)
			continue
		}
		good = append(good, arg)
	}
	add("", checkServe(good)) // a setting with a wrong value has its default here
	return list
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// checkServe validates the settings that im serve has with these flags.
func checkServe(args []string) error {
	c := new(cli)
	parser, err := newParser(streams{io.Discard, io.Discard}, c)
	if err != nil {
		return err
	}
	if _, err := parser.Parse(append([]string{"serve"}, args...)); err != nil {
		return err
	}
	return c.Serve.check()
}

// printedSetting is a setting without a secret.
type printedSetting struct {
	Variable string `json:"variable"`
	Key      string `json:"key"`
	Value    string `json:"value"`
	Source   string `json:"source"`
	group    string
}

// printed returns all settings without secrets. A default that the node computes, such as
// its name, is empty.
func (c *configuration) printed() []printedSetting {
	var list []printedSetting
	for _, s := range c.settings {
		value := settings.Redact(s.value)
		if s.flag.Tag.Has("secret") && s.value != "" {
			value = settings.Redacted
		}
		group := "Node"
		if s.flag.Group != nil {
			group = s.flag.Group.Title
		}
		list = append(list, printedSetting{Variable: s.variable(), Key: settings.Key(s.variable()), Value: value, Source: s.source, group: group})
	}
	return list
}

// write prints the settings in the form of a configuration file. Those that have no value
// are comments.
func (c *configuration) write(w io.Writer) error {
	var text strings.Builder
	group := ""
	for _, s := range c.printed() {
		if s.group != group {
			if group != "" {
				text.WriteByte('\n')
			}
			group = s.group
			_, _ = fmt.Fprintf(&text, "# %s\n", group)
		}
		if s.Value == "" {
			_, _ = fmt.Fprintf(&text, "# %s:\n", s.Key)
			continue
		}
		_, _ = fmt.Fprintf(&text, "%s: %s # %s\n", s.Key, strconv.Quote(s.Value), s.Source)
	}
	_, err := io.WriteString(w, text.String())
	return err
}
