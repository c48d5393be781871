// Package certfiles serves TLS with a certificate in files that may be replaced while the
// program runs, as tools that renew certificates do.
package certfiles

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"time"
)

// checkInterval is how often handshakes look whether the files have changed.
const checkInterval = time.Second

// Certificate is the certificate of a server, in two files of PEM. It is read again when
// the files have changed, by the first handshake a second or more after the last look.
// Files that cannot be used leave the former certificate in use, and are logged once.
type Certificate struct {
	cert, key string
	logger    *slog.Logger
	interval  time.Duration

	mu      sync.Mutex
	current *tls.Certificate
	seen    [2]state // of the files, when they were last read
	checked time.Time
}

// state tells one content of a file from another, without reading it.
type state struct {
	modified time.Time
	size     int64
	file     fs.FileInfo
}

// Load reads the certificate and its key.
func Load(cert, key string, logger *slog.Logger) (*Certificate, error) {
	c := &Certificate{cert: cert, key: key, logger: logger, interval: checkInterval, checked: time.Now()}
	c.seen = c.states()
	pair, err := c.read()
	if err != nil {
		return nil, err
	}
	c.current = pair
	return c, nil
}

// read reads the files, and refuses a certificate that clients would refuse.
func (c *Certificate) read() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return nil, err
	}
	if pair.Leaf == nil {
		if pair.Leaf, err = x509.ParseCertificate(pair.Certificate[0]); err != nil {
			return nil, err
		}
	}
	if time.Now().After(pair.Leaf.NotAfter) {
		return nil, fmt.Errorf("the certificate in %s has expired at %s", c.cert, pair.Leaf.NotAfter.Format(time.RFC3339))
	}
	return &pair, nil
}

func (c *Certificate) states() (states [2]state) {
	for i, path := range []string{c.cert, c.key} {
		if info, err := os.Stat(path); err == nil { // what a link leads to
			states[i] = state{info.ModTime(), info.Size(), info}
		}
	}
	return states
}

func same(a, b [2]state) bool {
	for i := range a {
		if !a[i].modified.Equal(b[i].modified) || a[i].size != b[i].size || (a[i].file == nil) != (b[i].file == nil) ||
			a[i].file != nil && !os.SameFile(a[i].file, b[i].file) {
			return false
		}
	}
	return true
}

// Config returns the configuration of a server. It speaks HTTP/1.1, over which browsers
// open WebSockets.
func (c *Certificate) Config() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(), nil },
	}
}

// get returns the certificate, which it reads again if the files have changed.
func (c *Certificate) get() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.checked) < c.interval {
		return c.current
	}
	c.checked = time.Now()
	now := c.states()
	if same(now, c.seen) {
		return c.current
	}
	c.seen = now // before reading: what is written later is another change
	pair, err := c.read()
	if err != nil {
		c.logger.Error("the new certificate cannot be used, and the former one stays in use: correct the files", "cert", c.cert, "key", c.key, "error", err)
		return c.current
	}
	c.logger.Info("certificate read again", "cert", c.cert, "valid_until", pair.Leaf.NotAfter)
	c.current = pair
	return pair
}
