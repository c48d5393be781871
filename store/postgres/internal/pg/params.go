package pg

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// takeParams sorts the parameters of the URL that the driver does not know. The startup
// packet gets only what poolers accept there. Everything else is set later, by prepare. path
// is the search path, unless they have one.
func (c *Config) takeParams(params map[string]string, application, path string, keepAlives *net.KeepAliveConfig) error {
	startup := c.pool.ConnConfig.RuntimeParams
	startup["client_encoding"] = "UTF8"
	startup["standard_conforming_strings"] = "on"
	startup["application_name"] = application
	options, err := takeOptions(params)
	if err != nil {
		return err
	}
	maps.Copy(params, options)
	for _, name := range slices.Sorted(maps.Keys(params)) {
		value := params[name]
		switch lower := strings.ToLower(name); lower {
		case "application_name", "options":
			startup[lower] = value
		case "fallback_application_name":
			if params["application_name"] == "" {
				startup["application_name"] = value
			}
		case "search_path":
			c.path = value
		case "keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count":
			if err := takeKeepAlive(keepAlives, lower, value); err != nil {
				return err
			}
		case "gssencmode":
			if value == "require" {
				return configError("gssencmode=require: GSSAPI encryption is not supported; use sslmode")
			}
		default:
			if err := c.takeSetting(lower, value); err != nil {
				return err
			}
		}
	}
	startup["application_name"] = startup["application_name"][:min(len(startup["application_name"]), maxNameBytes)]
	if c.path == "" {
		c.path = path
	}
	c.schema, err = firstSchema(c.path)
	return err
}

// libpqOnly are parameters of other drivers, and what to use in their place.
var libpqOnly = map[string]string{
	"hostaddr": "host", "requiressl": "sslmode", "sslcompression": "", "sslcrl": "", "sslcrldir": "", "requirepeer": "", "replication": "",
	"ssl_min_protocol_version": "", "ssl_max_protocol_version": "", "load_balance_hosts": "", "gsslib": "", "gssdelegation": "",
	"schema": "search_path", "currentschema": "search_path", "connection_limit": "pool_max_conns", "pool_size": "pool_max_conns",
	"pgbouncer": "default_query_exec_mode", "prefer_simple_protocol": "default_query_exec_mode", "binary_parameters": "default_query_exec_mode",
}

// takeSetting takes a setting of the server. The settings that the store depends on are
// its own.
func (c *Config) takeSetting(name, value string) error {
	if instead, ok := libpqOnly[name]; ok {
		if instead == "" {
			return configError("the parameter %s is not supported; remove it", name)
		}
		return configError("the parameter %s is not supported; use %s", name, instead)
	}
	own, ok := ownSetting(name)
	switch {
	case !ok, own.free:
		c.settings[name] = value
	case name == "synchronous_commit" && value == "remote_apply":
		c.settings[name] = value
	case !sameValue(own.value, value):
		return configError("the parameter %s is %q in every session of a node, not %q; remove it", name, own.value, value)
	}
	return nil
}

// sameValue compares two values of a setting, without the case of letters and the usual
// other spellings.
func sameValue(own, given string) bool {
	normal := strings.NewReplacer("true", "on", "yes", "on", "1", "on", "false", "off", "no", "off", "0", "off", "-", "", "iso, mdy", "iso")
	a, b := strings.ToLower(own), strings.ToLower(given)
	return a == b || normal.Replace(a) == normal.Replace(b)
}

func takeKeepAlive(keepAlives *net.KeepAliveConfig, name, value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return configError("the parameter %s must be a number", name)
	}
	seconds := time.Duration(n) * time.Second
	switch {
	case name == "keepalives":
		keepAlives.Enable = n != 0
	case n == 0: // the default of the system in libpq; here the default of the store
	case name == "keepalives_idle":
		keepAlives.Idle = seconds
	case name == "keepalives_interval":
		keepAlives.Interval = seconds
	default:
		keepAlives.Count = n
	}
	return nil
}

// takeOptions removes the settings from the parameter options, "-c name=value" or
// "--name=value". Poolers refuse them there. What is not a setting stays, because some
// hosted servers choose the database by it.
func takeOptions(params map[string]string) (map[string]string, error) {
	text, ok := params["options"]
	if !ok || !strings.HasPrefix(strings.TrimSpace(text), "-") {
		return nil, nil
	}
	delete(params, "options")
	settings := map[string]string{}
	words := splitOptions(text)
	for i := 0; i < len(words); i++ {
		word := words[i]
		switch {
		case word == "-c" && i+1 < len(words):
			i++
			word = words[i]
		case strings.HasPrefix(word, "--"):
			word = word[2:]
		case strings.HasPrefix(word, "-c"):
			word = word[2:]
		default:
			return nil, configError("options: only -c name=value is supported")
		}
		name, value, ok := strings.Cut(word, "=")
		if !ok {
			return nil, configError("options: only -c name=value is supported")
		}
		settings[strings.ReplaceAll(name, "-", "_")] = value
	}
	return settings, nil
}

// splitOptions splits at spaces. A backslash makes the next character part of a word.
func splitOptions(text string) (words []string) {
	var word strings.Builder
	inWord, escaped := false, false
	for _, r := range text {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped, inWord = true, true
		case r == ' ' || r == '\t' || r == '\n':
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}

// firstSchema returns the first schema of a search path, in which the tables are.
func firstSchema(path string) (string, error) {
	path = strings.TrimSpace(path)
	if quoted, ok := strings.CutPrefix(path, `"`); ok {
		var name strings.Builder
		for {
			part, rest, ok := strings.Cut(quoted, `"`)
			if !ok {
				return "", configError("search_path: a quotation mark is missing")
			}
			name.WriteString(part)
			if quoted, ok = strings.CutPrefix(rest, `"`); !ok {
				break
			}
			name.WriteByte('"')
		}
		path = name.String()
	} else {
		path, _, _ = strings.Cut(path, ",")
		path = strings.ToLower(strings.TrimSpace(path))
	}
	switch path {
	case "", "$user":
		return "", configError("search_path must begin with the name of a schema")
	case "pg_catalog", "pg_temp", "information_schema":
		return "", configError("search_path must not begin with %s", path)
	}
	return path, nil
}
