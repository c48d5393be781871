package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"im/internal/app"
)

// drainMargin is how much longer than --wait the answer of a node may take.
const drainMargin = 5 * time.Second

// drainCmd empties the node of this machine or pod before it is stopped. The image has no
// other program that could send a POST, and a preStop hook of Kubernetes cannot by itself.
type drainCmd struct {
	AdminAddr string        `default:"${default_admin_addr}" help:"Address for operators of the node, as in im serve."`
	Wait      time.Duration `default:"30s" help:"How long to wait until the sockets are closed. The drain goes on after that."`

	Certificate app.TLS `embed:""`
}

// Help implements kong.HelpProvider.
func (drainCmd) Help() string {
	return `Makes the node not ready, refuses new sockets, and asks the clients of open ones to reconnect elsewhere. The command ends when all sockets are closed. The node still answers calls, and ends by SIGTERM, which then finds nothing left to drain.`
}

// Run implements the command.
func (c *drainCmd) Run(ctx context.Context, std streams) error {
	base, client, err := localNode(c.AdminAddr, c.Certificate)
	if err != nil {
		return usageError{fmt.Errorf("IM_ADMIN_ADDR: %w", err)}
	}
	ctx, cancel := context.WithTimeout(ctx, c.Wait+drainMargin)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+"/drain?wait="+url.QueryEscape(c.Wait.String()), nil)
	if err != nil {
		return usageError{fmt.Errorf("IM_ADMIN_ADDR: %w", err)}
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
	if response.StatusCode != http.StatusOK && response.StatusCode != http.StatusAccepted {
		return fmt.Errorf("%s/drain answers %s: %s", base, response.Status, body)
	}
	var state struct {
		Status string `json:"status"`
	}
	if err := json.Unmarshal(body, &state); err != nil {
		return fmt.Errorf("%s/drain is not that of a node: %w", base, err)
	}
	_, err = fmt.Fprintln(std.out, state.Status)
	return err
}
