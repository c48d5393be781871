package pg

import (
	"errors"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// Readable returns err with a text in one line, if it is about connecting. The driver has
// a line for each way that it tried, with and without TLS and for each address of a name,
// and each line has the address two or three times.
func Readable(err error) error {
	if _, ok := errors.AsType[*pgconn.ConnectError](err); !ok {
		return err
	}
	return &readableError{readable(err.Error()), err}
}

type readableError struct {
	text string
	err  error
}

func (e *readableError) Error() string { return e.text }

func (e *readableError) Unwrap() error { return e.err }

var (
	intro    = regexp.MustCompile("(failed to connect to `[^`]*`:) ")
	dialed   = regexp.MustCompile(`^(\S+) \((\S+)\): dial error: dial (?:tcp|unix) \S+: (?:connect: )?(.+)$`)
	answered = regexp.MustCompile(`^(\S+) \((\S+)\): (?:server error: )?(.+)$`)
)

func readable(text string) string {
	var lines []string
	for line := range strings.Lines(intro.ReplaceAllString(text, "$1\n")) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "hostname resolving error: ")
		for _, form := range []*regexp.Regexp{dialed, answered} {
			if part := form.FindStringSubmatch(line); part != nil {
				line = address(part[1], part[2]) + ": " + part[3]
				break
			}
		}
		if line != "" && !slices.Contains(lines, line) {
			lines = append(lines, line)
		}
	}
	text = strings.Join(lines, "; ")
	return strings.ReplaceAll(text, ":; ", ": ") // after a line that introduces others
}

// address returns the address that was tried, with the name that it belongs to.
func address(tried, name string) string {
	if strings.HasPrefix(tried, name) { // also a folder and the socket in it
		return tried
	}
	return name + " (" + tried + ")"
}
