package main

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/alecthomas/kong"

	"im/internal/settings"
)

const (
	testPrefix     = "IM_TEST_" // variables of the tests
	configVariable = "IM_CONFIG"
)

// environment is where the values of settings come from, other than flags.
type environment struct {
	app   *kong.Application
	known map[string]*kong.Flag // settings, by their variables
	// sources say where the value of a variable comes from, if that is not the
	// variable itself.
	sources  map[string]string
	problems error // why some variables could not be set
}

func newEnvironment(app *kong.Application) environment {
	return environment{app: app, known: settingsOf(app), sources: map[string]string{}}
}

// load sets the variables of settings that the configuration file has, or a file of a
// variable IM_X_FILE. So there is one way from a value to a setting. It goes on after an
// error.
func (e environment) load(args []string) error {
	return errors.Join(e.readConfig(args), e.readVariableFiles())
}

// readConfig sets the variables that the configuration file has and the environment does
// not.
func (e environment) readConfig(args []string) error {
	path := cmp.Or(configFlag(args), os.Getenv(configVariable))
	if path == "" {
		return nil
	}
	known := slices.Sorted(maps.Keys(e.known))
	known = slices.DeleteFunc(known, func(name string) bool { return name == configVariable }) // a file names no other one
	entries, err := settings.ReadFile(path, known)
	if _, ok := errors.AsType[*os.PathError](err); ok {
		return fmt.Errorf("%s: %w", configVariable, err)
	}
	for _, entry := range entries {
		name := entry.Variable
		if e.known[name] == nil {
			name = strings.TrimSuffix(name, settings.FileSuffix)
		}
		if os.Getenv(name) != "" || e.known[name+settings.FileSuffix] == nil && os.Getenv(name+settings.FileSuffix) != "" {
			continue
		}
		e.sources[entry.Variable] = path + ":" + strconv.Itoa(entry.Line)
		err = errors.Join(err, os.Setenv(entry.Variable, entry.Value))
	}
	return err
}

// located adds to each line of an error where the variables in it were set, if that is a
// file.
func (e environment) located(err error) error {
	if err == nil {
		return nil
	}
	lines := strings.Split(err.Error(), "\n")
	for i, line := range lines {
		for _, variable := range slices.Sorted(maps.Keys(e.sources)) {
			if source := e.sources[variable]; wordIn(line, variable) && !strings.Contains(line, source) {
				lines[i] += fmt.Sprintf(" (%s is set in %s)", variable, source)
			}
		}
	}
	return locatedError{strings.Join(lines, "\n"), err}
}

// locatedError is an error with another text.
type locatedError struct {
	text string
	err  error
}

func (e locatedError) Error() string { return e.text }

func (e locatedError) Unwrap() error { return e.err }

// wordIn reports whether a text has a variable, and not only as a part of another one.
func wordIn(text, variable string) bool {
	return regexp.MustCompile(`\b` + variable + `\b`).MatchString(text)
}

// configFlag returns the value of --config on a command line.
func configFlag(args []string) string {
	for i, arg := range args {
		if arg == "--" {
			break
		}
		if value, ok := strings.CutPrefix(arg, "--config="); ok {
			return value
		}
		if arg == "--config" && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// dropEmptyVariables unsets empty variables: compose files and scripts often cannot
// leave a variable unset.
func dropEmptyVariables() {
	for _, kv := range os.Environ() {
		if name, value, _ := strings.Cut(kv, "="); strings.HasPrefix(name, settings.Prefix) && value == "" {
			_ = os.Unsetenv(name)
		}
	}
}

// settingsOf returns the flags that have an environment variable, by its name.
func settingsOf(app *kong.Application) map[string]*kong.Flag {
	flags := map[string]*kong.Flag{}
	for _, command := range app.Leaves(false) {
		for _, group := range command.AllFlags(false) {
			for _, flag := range group {
				for _, name := range flag.Envs {
					flags[name] = flag
				}
			}
		}
	}
	return flags
}

// readVariableFiles sets IM_X to the content of the file that IM_X_FILE names, without
// its last newline. Docker and Kubernetes provide secrets as files.
func (e environment) readVariableFiles() (failed error) {
	for _, kv := range os.Environ() {
		variable, path, _ := strings.Cut(kv, "=")
		name, isFile := strings.CutSuffix(variable, settings.FileSuffix)
		if !isFile || e.known[name] == nil || e.known[variable] != nil {
			continue
		}
		if err := e.readVariableFile(name, variable, path); err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		source := variable + " (" + path + ")"
		if of := e.sources[variable]; of != "" {
			source = path + " (" + of + ")"
		}
		e.sources[name] = source
	}
	return failed
}

func (e environment) readVariableFile(name, variable, path string) error {
	if _, both := os.LookupEnv(name); both {
		return fmt.Errorf("%s and %s are both set: use one", name, variable)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("%s: %w", variable, err)
	}
	value := strings.TrimSuffix(strings.TrimSuffix(string(content), "\n"), "\r")
	if value == "" {
		return fmt.Errorf("%s: %s is empty", variable, path)
	}
	if err := os.Setenv(name, value); err != nil {
		return fmt.Errorf("%s: %s has a NUL byte", variable, path)
	}
	return nil
}

// serviceLink matches the variables that Kubernetes, and links of Docker, set for a
// service called im or im-…: IM_SERVICE_HOST, IM_PORT_80_TCP_ADDR, IM_REDIS_SERVICE_PORT.
var serviceLink = regexp.MustCompile(`_SERVICE_HOST$|_SERVICE_PORT(_[A-Z0-9_]+)?$|_PORT_\d+_(TCP|UDP|SCTP)(_(ADDR|PORT|PROTO))?$`)

// isServiceLink reports whether a variable describes a service of the orchestrator.
func isServiceLink(name, value string) bool {
	return serviceLink.MatchString(name) || strings.HasSuffix(name, "_PORT") && strings.Contains(value, "://")
}

// checkVariables returns an error that names the variables which no setting has, and the
// nearest of the flags. A mistyped limit or origin would otherwise not apply, and nothing
// would say so.
func (e environment) checkVariables(flags []*kong.Flag) error {
	var errs []error
	for _, kv := range os.Environ() {
		name, value, _ := strings.Cut(kv, "=")
		if !strings.HasPrefix(name, settings.Prefix) || strings.HasPrefix(name, testPrefix) || isServiceLink(name, value) {
			continue
		}
		if e.known[name] == nil && e.known[strings.TrimSuffix(name, settings.FileSuffix)] == nil {
			errs = append(errs, fmt.Errorf("%s: there is no such setting; the nearest is %s", name, settings.Nearest(name, variablesOf(flags))))
		}
	}
	return errors.Join(errs...)
}

func variablesOf(flags []*kong.Flag) (names []string) {
	for _, flag := range flags {
		names = append(names, flag.Envs...)
	}
	return names
}
