package bench

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"

	"im/domain"
)

// tinode is a running Tinode server, by its protocol of JSON over WebSocket.
type tinode struct {
	url string // http://HOST:PORT
	key string // API key
}

const tinodeVersion = "0.22" // of the protocol; servers accept older ones

func (tinode) name() string { return "Tinode" }

func (t tinode) processes() map[string]string { return map[string]string{partServer: "tinode"} }

func (tinode) usesPostgres() bool { return true }

// tinodeCtrl is the answer to a request.
type tinodeCtrl struct {
	ID     string `json:"id"`
	Topic  string `json:"topic"`
	Code   int    `json:"code"`
	Text   string `json:"text"`
	Params struct {
		User string `json:"user"`
	} `json:"params"`
}

// call sends a request and waits for its answer.
func (tinode) call(s *socket, kind string, fields map[string]any) (tinodeCtrl, error) {
	s.number++
	fields["id"] = fmt.Sprint(s.number)
	if err := s.write(map[string]any{kind: fields}); err != nil {
		return tinodeCtrl{}, err
	}
	for {
		payload, err := s.read()
		if err != nil {
			return tinodeCtrl{}, fmt.Errorf("waiting for the answer to %s: %w", kind, err)
		}
		var frame struct {
			Ctrl *tinodeCtrl `json:"ctrl"`
		}
		if err := json.Unmarshal(payload, &frame); err != nil {
			return tinodeCtrl{}, fmt.Errorf("%s: %w", payload, err)
		}
		switch c := frame.Ctrl; {
		case c == nil || c.ID != fields["id"]:
		case c.Code >= 300:
			return *c, fmt.Errorf("%s: %d %s", kind, c.Code, c.Text)
		default:
			return *c, nil
		}
	}
}

// connect opens a session of a new user and returns the id of the user.
func (t tinode) connect(ctx context.Context, user domain.UserID) (*socket, string, error) {
	s, err := open(ctx, "ws"+strings.TrimPrefix(t.url, "http")+"/v0/channels?apikey="+url.QueryEscape(t.key), nil)
	if err != nil {
		return nil, "", err
	}
	var id string
	s, err = s.begin(func() error {
		if _, err := t.call(s, "hi", map[string]any{"ver": tinodeVersion, "ua": "im-bench"}); err != nil {
			return err
		}
		name := strings.ReplaceAll(string(user), "-", "")
		created, err := t.call(s, "acc", map[string]any{
			"user": "new", "scheme": "basic", "secret": base64.StdEncoding.EncodeToString([]byte(name + ":" + name)), "login": true,
			"desc": map[string]any{"public": map[string]any{"fn": name}},
		})
		id = created.Params.User
		if err == nil && id == "" {
			err = fmt.Errorf("the answer to acc names no user")
		}
		return err
	})
	return s, id, err
}

// pair subscribes both users to their conversation, which has another name for each.
func (t tinode) pair(socks [2]*socket, users [2]string, _ string) (topics [2]string, err error) {
	topics = [2]string{users[1], users[0]}
	for i, s := range socks {
		if _, err := s.begin(func() error { _, err := t.call(s, "sub", map[string]any{"topic": topics[i]}); return err }); err != nil {
			return topics, err
		}
	}
	return topics, nil
}

// group lets the first user create a group, and the others join it.
func (t tinode) group(ctx context.Context, socks []*socket, _ string) (topic string, err error) {
	join := func(s *socket, topic string) (name string, err error) {
		_, err = s.begin(func() error {
			c, err := t.call(s, "sub", map[string]any{"topic": topic})
			name = c.Topic
			return err
		})
		return name, err
	}
	if topic, err = join(socks[0], "new"); err != nil {
		return "", err
	}
	return topic, each(ctx, len(socks)-1, func(_ context.Context, i int) error {
		_, err := join(socks[i+1], topic)
		return err
	})
}

func (tinode) template(id, conversation, text string) string {
	return `{"pub":{"id":"` + id + `","topic":"` + conversation + `","content":"` + id + " " + text + `"}}`
}

func (tinode) next(payload []byte, _ int64, tag string) (m message, rest []byte, err error) {
	var ok bool
	switch {
	case bytes.HasPrefix(payload, []byte(`{"ctrl":`)):
		if m.due, ok = dueOf(valueOf(payload, `"id":"`), tag); !ok {
			return m, nil, nil // of the setup
		}
		m.kind = isAnswer
		if !bytes.Contains(payload, []byte(`"code":2`)) {
			m.kind = isRefusal
		}
	case bytes.HasPrefix(payload, []byte(`{"data":`)):
		content := valueOf(payload, `"content":"`)
		if m.due, ok = dueOf(content[:min(len(content), idChars)], tag); ok {
			m.kind, m.sender = isEvent, valueOf(payload, `"from":"`)
		}
	}
	return m, nil, nil
}
