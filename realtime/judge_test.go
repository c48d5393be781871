package realtime

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"im"
	"im/internal/strictjson"
	"im/test/frametest"
)

// judge holds the frames of a test against asyncapi.yaml.
type judge struct {
	*frametest.Protocol
	t testing.TB

	mu   sync.Mutex
	seen map[string]bool
}

var protocol = sync.OnceValues(func() (*frametest.Protocol, error) { return frametest.Read(im.AsyncAPI()) })

func newJudge(t testing.TB) *judge {
	t.Helper()
	p, err := protocol()
	require.NoError(t, err)
	return &judge{Protocol: p, t: t, seen: map[string]bool{}}
}

func (j *judge) note(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.seen[name] = true
}

// unseen are those of the messages that no frame was.
func (j *judge) unseen(names []string) []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.DeleteFunc(names, func(name string) bool { return j.seen[name] })
}

// fromServer fails the test unless a frame is as described.
func (j *judge) fromServer(frame []byte) {
	j.t.Helper()
	name, err := j.FromServer(frame)
	if err != nil {
		j.t.Errorf("not as described: %v\n%.2000s", err, frame)
	}
	j.note(name)
}

// accepted are the frames of one socket that the server has not refused.
type accepted struct {
	j      *judge
	mu     sync.Mutex
	frames []string
}

func (j *judge) socket() *accepted {
	a := &accepted{j: j}
	if t, ok := j.t.(*testing.T); ok {
		t.Cleanup(a.judge)
	}
	return a
}

func (a *accepted) sent(frame string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.frames = append(a.frames, frame)
}

// refused takes away what an error answers: the oldest frame with the same id
// or, without one, the latest.
func (a *accepted) refused(answer []byte) {
	var e struct{ Type, ID, Code string }
	if json.Unmarshal(answer, &e) != nil || e.Type != "error" || e.Code != "invalid" {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	at := len(a.frames) - 1
	if e.ID != "" {
		at = slices.IndexFunc(a.frames, func(f string) bool { return strings.Contains(f, fmt.Sprintf(`"id":%q`, e.ID)) })
	}
	if at >= 0 {
		a.frames = slices.Delete(a.frames, at, at+1)
	}
}

// ended takes away the frame that the server ended the socket for.
func (a *accepted) ended() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if n := len(a.frames); n > 0 {
		a.frames = a.frames[:n-1]
	}
}

func (a *accepted) judge() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, frame := range a.frames {
		name, err := a.j.FromClient([]byte(frame))
		if err != nil {
			a.j.t.Errorf("accepted, but not as described: %v\n%.2000s", err, frame)
		}
		a.j.note(name)
	}
}

// requireRefusable asserts that the description refuses a frame too, which the
// server has refused. What is no strict JSON at all is beyond a schema, and so
// are limits that each cluster configures.
func (j *judge) requireRefusable(t *testing.T, frame string) {
	t.Helper()
	configured := strings.Contains(frame, `"after_seq":0,"limit":1001`) || strings.Contains(frame, `"limit":9223372036854775807`)
	if strictjson.Check([]byte(frame)) != nil || configured {
		return
	}
	_, err := j.FromClient([]byte(frame))
	require.Error(t, err, "refused, but as described: %s", frame)
}
