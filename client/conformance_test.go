package client

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestConformance runs the cases of the folder conformance, which every client runs.
// The README there describes the format.
func TestConformance(t *testing.T) {
	files, err := filepath.Glob("conformance/*.json")
	require.NoError(t, err)
	defaults := readJSON(t, "conformance/defaults.json")
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".json")
		if name == "defaults" {
			continue
		}
		c := readJSON(t, file)
		variants := []object{{}}
		if each, ok := c["each"].(object); ok {
			variants = nil
			for variable, values := range each {
				for _, value := range values.([]any) {
					variants = append(variants, object{variable: value})
				}
			}
		}
		for _, names := range variants {
			title := name
			for _, value := range names {
				title += fmt.Sprint(" ", value)
			}
			t.Run(title, func(t *testing.T) {
				t.Parallel()
				newConformance(t, defaults, c, names).run()
			})
		}
	}
}

// object is a JSON object.
type object = map[string]any

func readJSON(t *testing.T, file string) object {
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	var o object
	require.NoError(t, json.Unmarshal(data, &o), file)
	return o
}

var variable = regexp.MustCompile(`\$[\w.]*\w`)

// substitute replaces $names in a value by what they stand for.
func substitute(v any, names object) any {
	switch v := v.(type) {
	case string:
		if value, ok := names[strings.TrimPrefix(v, "$")]; ok && strings.HasPrefix(v, "$") {
			return value
		}
		return variable.ReplaceAllStringFunc(v, func(name string) string {
			if value, ok := names[name[1:]]; ok {
				return fmt.Sprint(value)
			}
			return name
		})
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = substitute(v[i], names)
		}
		return out
	case object:
		out := object{}
		for key, value := range v {
			out[substitute(key, names).(string)] = substitute(value, names)
		}
		return out
	default:
		return v
	}
}

// over returns base with the fields of o in place of its own.
func over(base any, o object) object {
	out := object{}
	if base, ok := base.(object); ok {
		maps.Copy(out, base)
	}
	maps.Copy(out, o)
	return out
}

// fails returns why value does not have everything that pattern names; "" if it has.
func fails(value, pattern any) string {
	switch pattern := pattern.(type) {
	case object:
		have, ok := value.(object)
		if !ok {
			return fmt.Sprintf("%v is not an object", value)
		}
		for key, want := range pattern {
			if reason := fails(have[key], want); reason != "" {
				return key + ": " + reason
			}
		}
	case []any:
		have, ok := value.([]any)
		if !ok || len(have) != len(pattern) {
			return fmt.Sprintf("%v instead of %v", value, pattern)
		}
		for i, want := range pattern {
			if reason := fails(have[i], want); reason != "" {
				return fmt.Sprintf("%d: %s", i, reason)
			}
		}
	default:
		if value != pattern {
			return fmt.Sprintf("%v instead of %v", value, pattern)
		}
	}
	return ""
}

// completion fills the fields that a case leaves out from the defaults.
type completion struct{ defaults object }

func (c completion) event(given any) any {
	event := over(c.defaults["event"], given.(object))
	of, _ := c.defaults[event["type"].(string)].(object)
	return over(over(c.defaults["event"], of), given.(object))
}

func (c completion) events(given any) any {
	events := []any{}
	list, _ := given.([]any)
	for _, event := range list {
		events = append(events, c.event(event))
	}
	return events
}

func (c completion) conversation(given any) any {
	v := over(c.defaults["conversation"], given.(object))
	v["events"] = c.events(v["events"])
	if message, ok := v["last_message"].(object); ok {
		v["last_message"] = over(c.defaults["message"], message)
	}
	return v
}

func (c completion) frame(given object) object {
	f := over(c.defaults[given["type"].(string)], given)
	switch f["type"] {
	case "welcome":
		limits, _ := given["limits"].(object)
		f["limits"] = over(c.defaults["welcome"].(object)["limits"], limits)
	case "sync_page":
		views := []any{}
		for _, v := range f["conversations"].([]any) {
			views = append(views, c.conversation(v))
		}
		f["conversations"] = views
	case "conversation":
		f["conversation"] = c.conversation(f["conversation"])
	case "event":
		f["event"] = c.event(given["event"])
		delete(f, "sender")
		delete(f, "at")
	case "page":
		f["events"] = c.events(f["events"])
		if events := f["events"].([]any); len(events) > 0 {
			f["from_seq"] = events[0].(object)["seq"]
			f["to_seq"] = events[len(events)-1].(object)["seq"]
		}
	}
	return f
}
