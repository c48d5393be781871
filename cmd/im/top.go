package main

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-isatty"

	"im/internal/app"
	"im/tools/top"
)

// adminFlags say where the addresses for operators are. By default they are those of
// `im dev`.
type adminFlags struct {
	AdminURL []string `name:"admin-url" placeholder:"http://HOST:9180" help:"Address for operators of a node; repeatable. By default those of the im dev of this folder, else http://${default_admin_addr}."`
	Data     string   `name:"data" default:"${default_data}" hidden:"" help:"Data folder of im dev."`
}

// admins returns the URLs, without a trailing slash.
func (f adminFlags) admins() ([]string, error) {
	urls := f.AdminURL
	if len(urls) == 0 {
		urls = readDevInfo(f.Data).AdminURLs
	}
	if len(urls) == 0 {
		urls = []string{"http://" + app.DefaultAdminAddr}
	}
	for i, text := range urls {
		u, err := url.Parse(text)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" {
			return nil, usageError{errors.New("--admin-url must be a URL such as http://" + app.DefaultAdminAddr)}
		}
		urls[i] = strings.TrimRight(text, "/")
	}
	return urls, nil
}

// adminURLs returns the URLs of the addresses for operators; those that serve nowhere are
// left out.
func adminURLs(admins []*app.Admin) (urls []string) {
	for _, a := range admins {
		host, port, err := net.SplitHostPort(a.Addr())
		if err != nil {
			continue
		}
		if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
			host = "127.0.0.1"
		}
		urls = append(urls, "http://"+net.JoinHostPort(host, port))
	}
	return urls
}

// topCmd shows a cluster live.
type topCmd struct {
	adminFlags

	Interval time.Duration `default:"2s" help:"Time between two readings, over which rates and latencies are computed."`
	Once     bool          `help:"Print one table as text. So does a command whose output is no terminal."`
	JSON     bool          `name:"json" help:"Print one reading as JSON."`
}

// Help implements kong.HelpProvider.
func (topCmd) Help() string {
	return `Reads the metrics of the nodes at their addresses for operators. A latency is estimated from the histogram of what happened between two readings; – means that nothing did. send: from a frame or call to its answer. deliver: from the commit to the write to a socket. tail, search: how old what was read is. queue: commands that wait for a commit. unsent: what waits for sockets. pool: connections to PostgreSQL, in use and at most.`
}

// Run implements the command.
func (c *topCmd) Run(ctx context.Context, std streams) error {
	urls, err := c.admins()
	if err != nil {
		return err
	}
	if c.Interval < 100*time.Millisecond {
		return usageError{errors.New("--interval must be at least 100ms")}
	}
	if !c.Once && !c.JSON && isatty.IsTerminal(os.Stdin.Fd()) && isatty.IsTerminal(os.Stdout.Fd()) {
		return top.RunScreen(ctx, urls, c.Interval)
	}
	frame, err := top.Read(ctx, urls, c.Interval)
	if err != nil {
		return err
	}
	if c.JSON {
		err = writeJSON(std.out, frame)
	} else {
		err = top.WriteText(std.out, frame)
	}
	if err == nil && frame.Answered() == 0 {
		err = exitError(exitFailed)
	}
	return err
}
