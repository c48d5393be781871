package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"im/domain"
	"im/internal/auth"
)

// centrifugo is a running Centrifugo server, by its protocol of JSON over WebSocket. It
// stores nothing unless its namespaces have a history.
type centrifugo struct {
	url    string // http://HOST:PORT
	secret string // of its tokens
}

func (centrifugo) name() string { return "Centrifugo" }

func (centrifugo) processes() map[string]string { return map[string]string{partServer: "centrifugo"} }

func (centrifugo) usesPostgres() bool { return false }

// call sends a command and waits for its reply.
func (centrifugo) call(s *socket, kind string, fields map[string]any) error {
	s.number++
	if err := s.write(map[string]any{"id": s.number, kind: fields}); err != nil {
		return err
	}
	for {
		payload, err := s.read()
		if err != nil {
			return fmt.Errorf("waiting for the reply to %s: %w", kind, err)
		}
		for line := range bytes.Lines(payload) {
			var reply struct {
				ID    int `json:"id"`
				Error *struct {
					Code    int    `json:"code"`
					Message string `json:"message"`
				} `json:"error"`
			}
			if err := json.Unmarshal(line, &reply); err != nil {
				return fmt.Errorf("%s: %w", payload, err)
			}
			switch {
			case reply.ID != s.number:
			case reply.Error != nil:
				return fmt.Errorf("%s: %d %s", kind, reply.Error.Code, reply.Error.Message)
			default:
				return nil
			}
		}
	}
}

// connect opens a session of a user.
func (c centrifugo) connect(ctx context.Context, user domain.UserID) (*socket, string, error) {
	token, err := auth.Sign(c.secret, user, auth.Grant{TTL: tokenTTL})
	if err != nil {
		return nil, "", fmt.Errorf("the secret of Centrifugo: %w", err)
	}
	s, err := open(ctx, "ws"+strings.TrimPrefix(c.url, "http")+"/connection/websocket", nil)
	if err != nil {
		return nil, "", err
	}
	s, err = s.begin(func() error { return c.call(s, "connect", map[string]any{"token": token}) })
	return s, string(user), err
}

// pair subscribes both users to a channel.
func (c centrifugo) pair(socks [2]*socket, _ [2]string, channel string) (channels [2]string, err error) {
	for _, s := range socks {
		if err := c.subscribe(s, channel); err != nil {
			return channels, err
		}
	}
	return [2]string{channel, channel}, nil
}

// group subscribes all users to a channel.
func (c centrifugo) group(ctx context.Context, socks []*socket, channel string) (string, error) {
	return channel, each(ctx, len(socks), func(_ context.Context, i int) error { return c.subscribe(socks[i], channel) })
}

func (c centrifugo) subscribe(s *socket, channel string) error {
	_, err := s.begin(func() error { return c.call(s, "subscribe", map[string]any{"channel": channel}) })
	return err
}

func (centrifugo) template(id, conversation, text string) string {
	return `{"id":` + blankShort + `,"publish":{"channel":"` + conversation + `","data":{"id":"` + id + `","text":"` + text + `"}}}`
}

// next reads one reply or push. A frame has one in each line.
func (centrifugo) next(payload []byte, now int64, tag string) (m message, rest []byte, err error) {
	line, rest, more := bytes.Cut(payload, []byte("\n"))
	if !more || len(rest) == 0 {
		rest = nil
	}
	var ok bool
	switch {
	case string(line) == "{}":
		m.kind = isPing
	case bytes.HasPrefix(line, []byte(`{"push":`)):
		if m.due, ok = dueOf(valueOf(line, `"id":"`), tag); ok {
			m.kind, m.sender = isEvent, valueOf(line, `"user":"`)
		}
		if bytes.Contains(line, []byte(`"disconnect":{"code":`)) {
			return m, nil, fmt.Errorf("unexpected frame: %s", line)
		}
	case bytes.HasPrefix(line, []byte(`{"id":`)):
		digits, _, _ := bytes.Cut(line[len(`{"id":`):], []byte(","))
		id, err := strconv.ParseInt(string(digits), 10, 64)
		if err != nil || id < shortOffset {
			return m, nil, fmt.Errorf("unexpected frame: %s", line)
		}
		m.kind, m.due = isAnswer, dueOfShort(id, now)
		if bytes.Contains(line, []byte(`"error":{`)) {
			m.kind = isRefusal
		}
	}
	return m, rest, nil
}
