package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"text/template"
	"time"

	"im/domain"
)

const (
	devStartTimeout = 30 * time.Second
	devDrain        = time.Second // Ctrl-C should be quick
)

// welcomeText is what `im dev` prints: addresses, tokens, and commands to try.
const welcomeText = `
{{range $i, $url := .URLs}}{{if $i}}  node {{inc $i}}     {{$url}}
{{else}}  web chat   {{$url}}
  API        {{$url}}/openapi.yaml, sockets at {{socket $url}}
{{end}}{{end}}{{with .Admin}}  admin      {{.}}/admin
{{end}}  database   psql '{{.Database}}'
{{if .Users}}
  tokens, valid for a week
{{range .Users}}  {{printf "%-6s" .Name}}     {{.Token}}
{{end}}{{if .Admin}}
  {{with .Operator}}server token, for the admin page
  operator   {{.}}{{else}}for the admin page: im token --user operator --server{{end}}
{{end}}
  send as alice
  curl {{$.URL}}/v1/messages -H 'Authorization: Bearer {{.Alice}}' -H 'Content-Type: application/json' -d '{"to":"bob","client_msg_id":"'$(date +%s)'","content":{"type":"text","text":"Hello, Bob"}}'

  read as bob
  curl '{{$.URL}}/v1/sync?timeline_limit=10' -H 'Authorization: Bearer {{.Bob}}'

  or chat in two terminals: im chat --user alice --to bob, im chat --user bob --to alice
{{end}}
Ctrl-C stops it{{if .Kept}}; the data stays in {{.Kept}}{{end}}.
`

type welcomeUser struct{ Name, Token string }

// welcome writes the greeting. Without a secret it cannot sign tokens and shows none. It
// shows a server token only if the development secret signs it, which everyone knows.
func (c *devCmd) welcome(w io.Writer, urls, admins []string, database string) error {
	data := struct {
		URL, Admin, Database, Alice, Bob, Operator, Kept string
		URLs                                             []string
		Users                                            []welcomeUser
	}{URL: urls[0], URLs: urls, Database: database, Kept: c.Data}
	if len(admins) > 0 {
		data.Admin = admins[0]
	}
	if c.Ephemeral {
		data.Kept = ""
	}
	if c.Secret != "" {
		for _, name := range []string{"alice", "bob", "carol"} {
			signed, err := c.Sign(domain.UserID(name), false, devTokenTTL)
			if err != nil {
				return err
			}
			data.Users = append(data.Users, welcomeUser{name, signed})
		}
		data.Alice, data.Bob = data.Users[0].Token, data.Users[1].Token
	}
	if c.Secret == devSecret {
		signed, err := c.Sign("operator", true, devTokenTTL)
		if err != nil {
			return err
		}
		data.Operator = signed
	}
	page, err := template.New("welcome").Funcs(template.FuncMap{
		"inc":    func(i int) int { return i + 1 },
		"socket": func(url string) string { return "ws" + strings.TrimPrefix(url, "http") + "/v1/ws" },
	}).Parse(welcomeText)
	if err != nil {
		return err
	}
	return page.Execute(w, data)
}

// progressHandler prints the messages of log entries as progress of the start.
type progressHandler struct{ w io.Writer }

var _ slog.Handler = progressHandler{}

// Enabled implements slog.Handler.
func (h progressHandler) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (h progressHandler) Handle(_ context.Context, r slog.Record) error {
	_, err := fmt.Fprintln(h.w, "im dev:", r.Message)
	return err
}

// WithAttrs implements slog.Handler.
func (h progressHandler) WithAttrs([]slog.Attr) slog.Handler { return h }

// WithGroup implements slog.Handler.
func (h progressHandler) WithGroup(string) slog.Handler { return h }
