package bench

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"im/domain"
	"im/internal/auth"
	"im/internal/freeport"
)

const (
	startWithin = 2 * time.Minute
	poll        = 20 * time.Millisecond
	tokenTTL    = 24 * time.Hour
)

// cluster is what is measured.
type cluster struct {
	urls     []string
	debug    []string // where the nodes serve profiles
	database string   // of a role that may make databases; "" if unknown
	token    func(ctx context.Context, user domain.UserID) (string, error)
	parts    processes
	close    func() error
}

// open finds or starts a cluster of some nodes; 0 nodes: only the database is
// needed.
func (p Place) open(ctx context.Context, nodes int, profiling bool, say func(string, ...any)) (*cluster, error) {
	switch {
	case len(p.URLs) > 0:
		return p.running(ctx, nodes)
	case p.Serve:
		name := strings.ToLower("im_bench_" + rand.Text()[:8])
		if nodes > 0 {
			say("starting %d × im serve, database and prefix %s", nodes, name)
		}
		return p.serve(ctx, name, nodes, profiling)
	default:
		say("starting im dev, %d × node", max(nodes, 1))
		return p.dev(ctx, max(nodes, 1), profiling)
	}
}

// running is the cluster that the user named.
func (p Place) running(ctx context.Context, nodes int) (*cluster, error) {
	if len(p.URLs) < nodes {
		return nil, fmt.Errorf("this work needs %d nodes: repeat --url", nodes)
	}
	c := &cluster{urls: p.URLs, debug: p.DebugURLs, database: p.DatabaseURL, token: p.Token, parts: processes{}, close: func() error { return nil }}
	if p.DatabaseURL != "" {
		c.parts[partPostgres] = postmaster(ctx, p.DatabaseURL)
	}
	return c, nil
}

// dev starts everything in one process, beside PostgreSQL's own.
func (p Place) dev(ctx context.Context, nodes int, profiling bool) (_ *cluster, err error) {
	dir, err := os.MkdirTemp("", "im-bench-")
	if err != nil {
		return nil, err
	}
	c := &cluster{parts: processes{}}
	var running []*child
	c.close = func() error {
		stopAll(running)
		return os.RemoveAll(dir)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	secret := c.signing()
	args := []string{"dev", "--data", dir, "--addr", "127.0.0.1:0", "--nodes", fmt.Sprint(nodes)}
	env, err := c.debugging(profiling, "IM_JWT_SECRET="+secret)
	if err != nil {
		return nil, err
	}
	one, err := start(p.Program, env, args...)
	if err != nil {
		return nil, err
	}
	running = append(running, one)
	var known struct {
		URLs        []string `json:"urls"`
		DatabaseURL string   `json:"database_url"`
	}
	if err := one.until(ctx, func() bool {
		text, err := os.ReadFile(filepath.Join(dir, "dev.json"))
		return err == nil && json.Unmarshal(text, &known) == nil
	}); err != nil {
		return nil, err
	}
	c.urls, c.database = known.URLs, known.DatabaseURL
	c.parts[partServer] = []int{one.pid()}
	c.parts[partPostgres] = postmaster(ctx, c.database)
	return c, c.ready(ctx, one)
}

// serve starts nodes on services that run already; name is that of the database
// that is made for them, and their prefix.
func (p Place) serve(ctx context.Context, name string, nodes int, profiling bool) (_ *cluster, err error) {
	database, err := withDatabase(p.DatabaseURL, name)
	if err != nil {
		return nil, err
	}
	c := &cluster{database: p.DatabaseURL, parts: p.services(ctx)}
	var running []*child
	c.close = func() error {
		stopAll(running)
		if nodes == 0 {
			return nil
		}
		return forget(p, name)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	secret := c.signing()
	for i := range nodes {
		addr, err := freeport.Addr()
		if err != nil {
			return nil, err
		}
		env, err := c.debugging(profiling, "IM_JWT_SECRET="+secret, "IM_ADDR="+addr, "IM_NODE_NAME="+fmt.Sprint("bench", i+1), "IM_PREFIX="+name,
			"IM_DATABASE_URL="+database, "IM_REDIS_URL="+p.RedisURL, "IM_AMQP_URL="+p.AMQPURL, "IM_LOG_LEVEL=warn")
		if err != nil {
			return nil, err
		}
		one, err := start(p.Program, env, "serve")
		if err != nil {
			return nil, err
		}
		running = append(running, one)
		c.urls = append(c.urls, "http://"+addr)
		c.parts[partServer] = append(c.parts[partServer], one.pid())
	}
	return c, c.ready(ctx, running...)
}

// signing makes the secret of a cluster of our own.
func (c *cluster) signing() (secret string) {
	secret = rand.Text() + rand.Text()
	c.token = func(_ context.Context, user domain.UserID) (string, error) {
		return auth.Sign(secret, user, auth.Grant{TTL: tokenTTL})
	}
	return secret
}

// debugging adds an address for profiles to the settings of a process.
func (c *cluster) debugging(wanted bool, env ...string) ([]string, error) {
	if !wanted {
		return env, nil
	}
	addr, err := freeport.Addr()
	if err != nil {
		return nil, err
	}
	c.debug = append(c.debug, "http://"+addr)
	return append(env, "IM_DEBUG_ADDR="+addr), nil
}

// ready waits until every node says that it reaches everything.
func (c *cluster) ready(ctx context.Context, children ...*child) error {
	for i, base := range c.urls {
		err := children[min(i, len(children)-1)].until(ctx, func() bool { return isReady(ctx, base) })
		if err != nil {
			return err
		}
	}
	return nil
}

func isReady(ctx context.Context, base string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return false
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer func() { _ = response.Body.Close() }()
	var state struct{ Status string }
	return json.NewDecoder(response.Body).Decode(&state) == nil && state.Status == "ready"
}

// withDatabase returns the URL with another database.
func withDatabase(text, name string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" {
		return "", errors.New("IM_DATABASE_URL must be a URL")
	}
	u.Path = "/" + name
	return u.String(), nil
}
