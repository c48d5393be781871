package top

import (
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
)

// columns are the columns of the table, with how a value is shown.
var columns = []struct {
	head string
	show func(Values) string
}{
	{"sessions", func(v Values) string { return count(v.Sessions) }},
	{"online", func(v Values) string { return count(v.Users) }},
	{"msg/s", func(v Values) string { return perSecond(v.Messages) }},
	{"events/s", func(v Values) string { return perSecond(v.Writes) }},
	{"req/s", func(v Values) string { return perSecond(v.Requests) }},
	{"err/s", func(v Values) string { return perSecond(v.Errors) }},
	{"send p50", func(v Values) string { return latency(v.SendP50) }},
	{"p99", func(v Values) string { return latency(v.SendP99) }},
	{"deliver p50", func(v Values) string { return latency(v.DeliveryP50) }},
	{"p99", func(v Values) string { return latency(v.DeliveryP99) }},
	{"tail", func(v Values) string { return latency(&v.TailAge) }},
	{"search", func(v Values) string { return latency(&v.SearchLag) }},
	{"healed/s", func(v Values) string { return perSecond(v.Healed) }},
	{"queue", func(v Values) string { return count(v.AppendQueue) }},
	{"unsent", func(v Values) string { return bytes(v.SocketBytes) }},
	{"pool", func(v Values) string { return fmt.Sprintf("%s/%s", count(v.PoolInUse), count(v.PoolMax)) }},
	{"memory", func(v Values) string { return bytes(v.Memory) }},
	{"state", state},
}

// WriteText writes a frame as a table.
func WriteText(w io.Writer, f Frame) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	row := func(name string, cells ...string) {
		_, _ = fmt.Fprintln(table, name+"\t"+strings.Join(cells, "\t")+"\t") // Flush returns the error
	}
	heads := make([]string, len(columns))
	for i, c := range columns {
		heads[i] = c.head
	}
	row("node", heads...)
	var failed []Node
	for _, n := range f.Nodes {
		if n.Error != "" {
			failed = append(failed, n)
			continue
		}
		row(nameOf(n.URL), cells(n.Values)...)
	}
	if len(f.Nodes)-len(failed) > 1 {
		row("all", cells(f.Total)...)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, n := range failed {
		if _, err := fmt.Fprintf(w, "%s: %s\n", nameOf(n.URL), n.Error); err != nil {
			return err
		}
	}
	return nil
}

func cells(v Values) []string {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = c.show(v)
	}
	return list
}

// state says what is wrong.
func state(v Values) string {
	var wrong []string
	for what, good := range map[string]bool{"not serving": v.Serving, "no Redis": v.Redis, "no RabbitMQ": v.RabbitMQ} {
		if !good {
			wrong = append(wrong, what)
		}
	}
	if len(wrong) == 0 {
		return "ok"
	}
	return strings.Join(sorted(wrong), ", ")
}

func count(n float64) string { return fmt.Sprintf("%.0f", n) }

func perSecond(n float64) string {
	if n > 0 && n < 10 {
		return fmt.Sprintf("%.1f", n)
	}
	return count(n)
}

// latency shows seconds; – if nothing was measured.
func latency(seconds *float64) string {
	switch {
	case seconds == nil:
		return "–"
	case *seconds >= 10:
		return fmt.Sprintf("%.0fs", *seconds)
	case *seconds >= 1:
		return fmt.Sprintf("%.1fs", *seconds)
	case *seconds >= 0.01 || *seconds == 0:
		return fmt.Sprintf("%.0fms", 1000**seconds)
	default:
		return fmt.Sprintf("%.1fms", 1000**seconds)
	}
}

func bytes(n float64) string {
	if n < 1024 {
		return count(n) + "B"
	}
	exponent := min(int(math.Log2(n)/10), 4)
	return fmt.Sprintf("%.1f%ciB", n/math.Exp2(float64(10*exponent)), " KMGT"[exponent])
}
