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
	startTimeout = 2 * time.Minute
	poll         = 20 * time.Millisecond
	tokenTTL     = 24 * time.Hour
)

// cluster is a running cluster.
type cluster struct {
	urls     []string
	debug    []string // where the nodes serve profiles
	database string   // URL whose role may create databases; empty if unknown
	data     string   // URL of the database of a cluster that was started; empty for a running one
	token    func(ctx context.Context, user domain.UserID) (string, error)
	parts    processes
	close    func() error
}

// open starts a cluster with that many nodes, or returns the running one. With 0 nodes
// the caller uses only the database.
func (t Target) open(ctx context.Context, nodes int, profiling bool, say func(string, ...any)) (*cluster, error) {
	switch {
	case len(t.URLs) > 0:
		return t.running(ctx, nodes)
	case t.Serve:
		name := strings.ToLower("im_bench_" + rand.Text()[:8])
		if nodes > 0 {
			say("starting %d × im serve, database and prefix %s", nodes, name)
		}
		return t.serve(ctx, name, nodes, profiling)
	default:
		say("starting im dev, %d × node", max(nodes, 1))
		return t.dev(ctx, max(nodes, 1), profiling)
	}
}

// running returns the cluster whose URLs are known.
func (t Target) running(ctx context.Context, nodes int) (*cluster, error) {
	if len(t.URLs) < nodes {
		return nil, fmt.Errorf("this workload needs %d nodes: repeat --url", nodes)
	}
	c := &cluster{urls: t.URLs, debug: t.DebugURLs, database: t.DatabaseURL, token: t.Token, parts: processes{}, close: func() error { return nil }}
	if t.DatabaseURL != "" {
		c.parts[partPostgres] = postmaster(ctx, t.DatabaseURL)
	}
	return c, nil
}

// dev starts im dev: all nodes in one process, and PostgreSQL.
func (t Target) dev(ctx context.Context, nodes int, profiling bool) (_ *cluster, err error) {
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
	secret := c.useSecret()
	args := []string{"dev", "--data", dir, "--addr", "127.0.0.1:0", "--nodes", fmt.Sprint(nodes)}
	env, err := c.withDebugAddr(profiling, "IM_JWT_SECRET="+secret)
	if err != nil {
		return nil, err
	}
	one, err := start(t.Program, env, args...)
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
	c.urls, c.database, c.data = known.URLs, known.DatabaseURL, known.DatabaseURL
	c.parts[partServer] = []int{one.pid()}
	c.parts[partPostgres] = postmaster(ctx, c.database)
	return c, c.ready(ctx, one)
}

// serve starts nodes of im serve on running services. Name is the name of their
// database, which they create, and their prefix.
func (t Target) serve(ctx context.Context, name string, nodes int, profiling bool) (_ *cluster, err error) {
	database, err := withDatabase(t.DatabaseURL, name)
	if err != nil {
		return nil, err
	}
	c := &cluster{database: t.DatabaseURL, data: database, parts: t.services(ctx)}
	var running []*child
	c.close = func() error {
		stopAll(running)
		if nodes == 0 {
			return nil
		}
		return cleanUp(t, name)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, c.close())
		}
	}()
	secret := c.useSecret()
	for i := range nodes {
		addr, err := freeport.Addr()
		if err != nil {
			return nil, err
		}
		env, err := c.withDebugAddr(profiling, "IM_JWT_SECRET="+secret, "IM_ADDR="+addr, "IM_NODE_NAME="+fmt.Sprint("bench", i+1), "IM_PREFIX="+name,
			"IM_DATABASE_URL="+database, "IM_REDIS_URL="+t.RedisURL, "IM_AMQP_URL="+t.AMQPURL, "IM_CREATE_DATABASE=true", "IM_LOG_LEVEL=warn")
		if err != nil {
			return nil, err
		}
		one, err := start(t.Program, env, "serve")
		if err != nil {
			return nil, err
		}
		running = append(running, one)
		c.urls = append(c.urls, "http://"+addr)
		c.parts[partServer] = append(c.parts[partServer], one.pid())
	}
	return c, c.ready(ctx, running...)
}

// useSecret returns a new secret, with which the tokens of the cluster are signed.
func (c *cluster) useSecret() (secret string) {
	secret = rand.Text() + rand.Text()
	c.token = func(_ context.Context, user domain.UserID) (string, error) {
		return auth.Sign(secret, user, auth.Grant{TTL: tokenTTL})
	}
	return secret
}

// withDebugAddr adds an address for profiles to the settings of a process, if wanted.
func (c *cluster) withDebugAddr(wanted bool, env ...string) ([]string, error) {
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

// ready waits until every node reports that it reaches its dependencies.
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

// withDatabase replaces the name of the database in a URL.
func withDatabase(text, name string) (string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme == "" {
		return "", errors.New("IM_DATABASE_URL must be a URL")
	}
	u.Path = "/" + name
	return u.String(), nil
}
