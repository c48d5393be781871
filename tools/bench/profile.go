package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"sync"
	"time"
)

// profile collects profiles of nodes and of the load during one run. A nil profile
// collects none.
type profile struct {
	dir   string   // of the files
	nodes []string // URLs of the nodes' profiles

	wait sync.WaitGroup
	mu   sync.Mutex
	err  error
}

func newProfile(dir, name string, nodes []string) *profile {
	name = strings.NewReplacer(" × ", "-x", " ", "-", ",", "").Replace(name)
	return &profile{dir: filepath.Join(dir, name), nodes: nodes}
}

// begin starts the collection and returns at once.
func (p *profile) begin(d time.Duration) {
	if p == nil {
		return
	}
	p.note(os.MkdirAll(p.dir, 0o755))
	p.wait.Go(func() { p.note(p.own(d)) })
	for i, node := range p.nodes {
		p.wait.Go(func() {
			seconds := max(1, int(d.Seconds()))
			p.note(p.fetch(node, fmt.Sprintf("profile?seconds=%d", seconds), fmt.Sprintf("node%d-cpu.pprof", i+1)))
			for _, kind := range []string{"heap", "allocs", "block", "mutex", "goroutine"} {
				p.note(p.fetch(node, kind, fmt.Sprintf("node%d-%s.pprof", i+1, kind)))
			}
		})
	}
}

// finish waits for the profiles.
func (p *profile) finish() error {
	if p == nil {
		return nil
	}
	p.wait.Wait()
	return p.err
}

// note records an error.
func (p *profile) note(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.err = errors.Join(p.err, err)
}

// own records the CPU profile of this process.
func (p *profile) own(d time.Duration) error {
	file, err := os.Create(filepath.Join(p.dir, "load-cpu.pprof"))
	if err != nil {
		return err
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(err, file.Close())
	}
	time.Sleep(d)
	pprof.StopCPUProfile()
	return file.Close()
}

// fetch stores a profile of a node in a file.
func (p *profile) fetch(node, what, name string) error {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, node+"/debug/pprof/"+what, nil)
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s of %s: %s", what, node, response.Status)
	}
	file, err := os.Create(filepath.Join(p.dir, name))
	if err != nil {
		return err
	}
	_, err = io.Copy(file, response.Body)
	return errors.Join(err, file.Close())
}
