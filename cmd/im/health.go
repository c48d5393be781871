package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"im/internal/app"
)

const healthTimeout = 3 * time.Second

// healthCmd is the health check of a container. The image has no other program.
type healthCmd struct {
	Addr  string `default:":8080" help:"Address that the node listens on, as in im serve."`
	Ready bool   `help:"Ask whether the node is ready: whether it reaches the services it depends on."`

	Certificate app.TLS `embed:""`
}

// Run implements the command.
func (c *healthCmd) Run(ctx context.Context, std streams) error {
	base, client, err := localNode(c.Addr, c.Certificate)
	if err != nil {
		return usageError{fmt.Errorf("IM_ADDR: %w", err)}
	}
	path := "/healthz"
	if c.Ready {
		path = "/readyz"
	}
	ctx, cancel := context.WithTimeout(ctx, healthTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
	if err != nil {
		return usageError{fmt.Errorf("IM_ADDR: %w", err)}
	}
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %s", base+path, response.Status, body)
	}
	var state struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(body, &state); err != nil {
		return fmt.Errorf("%s is not a node: %w", base+path, err)
	}
	_, err = fmt.Fprintln(std.out, state.Status)
	return err
}

// localNode returns the URL of a node of this machine that listens on addr, and a client
// for it. With a certificate, the node speaks TLS.
func localNode(addr string, certificate app.TLS) (base string, client *http.Client, err error) {
	base, err = localURL(addr)
	if certificate.CertFile == "" {
		return base, http.DefaultClient, err
	}
	// The certificate is for the name that clients use. This is another address of the
	// same machine, and no secret is sent.
	config := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // see above
	return strings.Replace(base, "http:", "https:", 1), &http.Client{Transport: &http.Transport{TLSClientConfig: config}}, err
}

// localURL returns the URL at which this machine reaches a node that listens on addr.
func localURL(addr string) (string, error) {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return "", err
	}
	switch ip := net.ParseIP(host); {
	case host == "" || ip != nil && ip.Equal(net.IPv4zero):
		host = "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		host = "::1"
	}
	return "http://" + net.JoinHostPort(host, port), nil
}
