package settings

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const (
	// Prefix begins the name of each variable.
	Prefix = "IM_"
	// FileSuffix ends the name of a variable that names a file with the value.
	FileSuffix = "_FILE"
	// maxFile bounds the size of a configuration file.
	maxFile = 1 << 20
)

// Entry is a setting in a configuration file.
type Entry struct {
	Variable string // such as IM_LOG_LEVEL, or IM_JWT_SECRET_FILE
	Value    string // as the variable would have it: the items of a list have commas between them
	Line     int
}

// Key returns the key of a variable in a configuration file: log_level of IM_LOG_LEVEL.
func Key(variable string) string {
	return strings.ToLower(strings.TrimPrefix(variable, Prefix))
}

// ReadFile reads a configuration file: one mapping of YAML from keys to values or to
// lists of values. A key without a value counts as unset. Known are the variables that
// exist. The error joins all problems, each with the line.
func ReadFile(path string, known []string) ([]Entry, error) {
	text, err := readAll(path)
	if err != nil {
		return nil, err
	}
	root, err := parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if root == nil {
		return nil, nil
	}
	f := file{known: known, lines: map[string]int{}}
	for i := 0; i+1 < len(root.Content); i += 2 {
		f.add(root.Content[i], root.Content[i+1])
	}
	for i, problem := range f.problems {
		f.problems[i] = fmt.Errorf("%s:%w", path, problem)
	}
	return f.entries, errors.Join(f.problems...)
}

func readAll(path string) ([]byte, error) {
	f, err := os.Open(path) //nolint:gosec // the operator names the file
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(text) > maxFile {
		err = fmt.Errorf("%s has more than %d bytes", path, maxFile)
	}
	return text, err
}

// parse returns the mapping of the only document; nil if there is nothing in it.
func parse(text []byte) (*yaml.Node, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document, next yaml.Node
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, errors.New(strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if err := decoder.Decode(&next); !errors.Is(err, io.EOF) {
		return nil, errors.New("the file must be one document of YAML: remove the line --- and what follows it")
	}
	root := document.Content[0]
	switch {
	case root.Kind == yaml.ScalarNode && root.Tag == "!!null":
		return nil, nil
	case root.Kind != yaml.MappingNode:
		return nil, fmt.Errorf("line %d: the file must have lines such as log_level: info", root.Line)
	}
	return root, nil
}

// file collects the entries of a configuration file and the problems with it.
type file struct {
	known    []string
	lines    map[string]int // of settings, by their variable without FileSuffix
	entries  []Entry
	problems []error
}

func (f *file) fail(line int, format string, args ...any) {
	f.problems = append(f.problems, fmt.Errorf("%d: %w", line, fmt.Errorf(format, args...)))
}

// add takes a key with its value.
func (f *file) add(key, value *yaml.Node) {
	if key.Kind != yaml.ScalarNode {
		f.fail(key.Line, "a key must be the name of a setting")
		return
	}
	variable, setting := Prefix+strings.ToUpper(key.Value), ""
	switch base := strings.TrimSuffix(variable, FileSuffix); {
	case slices.Contains(f.known, variable):
		setting = variable
	case slices.Contains(f.known, base):
		setting = base
	}
	if setting == "" || Key(variable) != key.Value {
		nearest := Nearest(Prefix+strings.ToUpper(strings.ReplaceAll(key.Value, "-", "_")), f.known)
		f.fail(key.Line, "%s: there is no such setting; the nearest is %s", key.Value, Key(nearest))
		return
	}
	if line := f.lines[setting]; line != 0 {
		f.fail(key.Line, "%s is set in line %d already", Key(setting), line)
		return
	}
	f.lines[setting] = key.Line
	text, err := textOf(value)
	if err != nil {
		f.fail(value.Line, "%s: %w", key.Value, err)
		return
	}
	if text != "" {
		f.entries = append(f.entries, Entry{Variable: variable, Value: text, Line: value.Line})
	}
}

// textOf returns a value as a variable would have it.
func textOf(value *yaml.Node) (string, error) {
	if value.Kind == yaml.AliasNode {
		value = value.Alias
	}
	switch {
	case value.Kind == yaml.ScalarNode && value.Tag == "!!null":
		return "", nil
	case value.Kind == yaml.ScalarNode && strings.ContainsRune(value.Value, 0):
		return "", errors.New("the value has a NUL byte")
	case value.Kind == yaml.ScalarNode:
		return value.Value, nil
	case value.Kind != yaml.SequenceNode:
		return "", errors.New("the value must be one text or number, or a list of them")
	}
	items := make([]string, len(value.Content))
	for i, item := range value.Content {
		if item.Kind != yaml.ScalarNode || item.Tag == "!!null" {
			return "", errors.New("the items of a list must be texts or numbers")
		}
		items[i] = strings.ReplaceAll(item.Value, ",", `\,`)
	}
	return strings.Join(items, ","), nil
}
