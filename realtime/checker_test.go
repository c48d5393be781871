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

// checker checks the frames of a test against asyncapi.yaml, and records which of
// its messages occurred.
type checker struct {
	*frametest.Protocol
	t testing.TB

	mu   sync.Mutex
	seen map[string]bool
}

var protocol = sync.OnceValues(func() (*frametest.Protocol, error) { return frametest.Read(im.AsyncAPI()) })

func newChecker(t testing.TB) *checker {
	t.Helper()
	p, err := protocol()
	require.NoError(t, err)
	return &checker{Protocol: p, t: t, seen: map[string]bool{}}
}

func (c *checker) record(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[name] = true
}

// unseen returns those of the messages that did not occur.
func (c *checker) unseen(names []string) []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.DeleteFunc(names, func(name string) bool { return c.seen[name] })
}

// checkServerFrame fails the test unless a frame is as described.
func (c *checker) checkServerFrame(frame []byte) {
	c.t.Helper()
	name, err := c.FromServer(frame)
	if err != nil {
		c.t.Errorf("not as described: %v\n%.2000s", err, frame)
	}
	c.record(name)
}

// requireRefusable asserts that the description refuses a frame that the server
// has refused. It passes frames that are not strict JSON, which no schema can
// refuse, and frames beyond limits that each cluster configures.
func (c *checker) requireRefusable(t *testing.T, frame string) {
	t.Helper()
	configured := strings.Contains(frame, `"after_seq":0,"limit":1001`) || strings.Contains(frame, `"limit":9223372036854775807`)
	if strictjson.Check([]byte(frame)) != nil || configured {
		return
	}
	_, err := c.FromClient([]byte(frame))
	require.Error(t, err, "refused, but as described: %s", frame)
}

// sentFrames are the frames that a client has sent and the server has not refused.
// At the end of the test they are checked.
type sentFrames struct {
	c      *checker
	mu     sync.Mutex
	frames []string
}

func (c *checker) newSentFrames() *sentFrames {
	s := &sentFrames{c: c}
	c.t.Cleanup(s.check)
	return s
}

func (s *sentFrames) add(frame string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.frames = append(s.frames, frame)
}

// removeRefused removes the frame that an error answers: the oldest one with the
// same id or, if the error has none, the latest.
func (s *sentFrames) removeRefused(answer []byte) {
	var e struct{ Type, ID, Code string }
	if json.Unmarshal(answer, &e) != nil || e.Type != "error" || e.Code != "invalid" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at := len(s.frames) - 1
	if e.ID != "" {
		at = slices.IndexFunc(s.frames, func(f string) bool { return strings.Contains(f, fmt.Sprintf(`"id":%q`, e.ID)) })
	}
	if at >= 0 {
		s.frames = slices.Delete(s.frames, at, at+1)
	}
}

func (s *sentFrames) check() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, frame := range s.frames {
		name, err := s.c.FromClient([]byte(frame))
		if err != nil {
			s.c.t.Errorf("accepted, but not as described: %v\n%.2000s", err, frame)
		}
		s.c.record(name)
	}
}
