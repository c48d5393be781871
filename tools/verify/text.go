package verify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// The text shows a part; JSON has everything that is kept.
const (
	shownBreaches   = 10 // of each invariant
	shownUnfinished = 50
)

// JSON returns the report for programs.
func (r *Report) JSON() ([]byte, error) { return json.MarshalIndent(r, "", "  ") }

// Text returns the report for people.
func (r *Report) Text() string {
	var b strings.Builder
	r.writeVerdict(&b)
	if !r.Sockets {
		b.WriteString("\n  REST only: without tokens of users there are no sockets, and no push was checked (I4, I6).\n")
	}
	table(&b, "What was done", []row{
		{"users", r.Users, "devices", r.Devices},
		{"conversations", r.Conversations, "events in the logs", r.LogEvents},
		{"sends", r.Sends, "attempts", r.Attempts},
		{"  answered", r.Answered, "  tried again", r.Retries},
		{"  refused", r.Refused, "  answered as duplicates", r.Duplicates},
		{"  unanswered", r.Unanswered, "  held back", r.HeldBack},
		{"other changes", r.Changes, "slow readers", r.SlowReaders},
	})
	table(&b, "What came", []row{
		{"deliveries", r.Deliveries, "sessions", r.Sessions},
		{"  had to come (I6)", r.Checked, "  reconnects", r.Reconnects},
		{"pulled", r.Pulled, "gaps", r.Gaps},
		{"floors", r.Floors, "  events left out", r.LeftOut},
		{"  named in answers", r.FloorAnswers, "lost by failover: sends", r.Lost},
		{"epochs", r.Epochs, "  whole conversations", r.LostConversations},
	})
	if r.WebhookCalls > 0 {
		table(&b, "The webhook", []row{
			{"calls", r.WebhookCalls, "events", r.WebhookEvents},
			{"  while it was away", r.WebhookRefused, "  that came again", r.WebhookRepeated},
		})
	}
	r.writeTimes(&b)
	r.writeFaults(&b)
	r.writeUnfinished(&b)
	r.writeBreaches(&b)
	return b.String()
}

func (r *Report) writeVerdict(b *strings.Builder) {
	verdict := "PASSED: every guarantee held"
	switch {
	case r.BreachCount > 0:
		verdict = fmt.Sprintf("FAILED: %s", plural(r.BreachCount, "breach", "breaches"))
	case len(r.Unfinished) > 0:
		verdict = "UNFINISHED: no breach was found, but not everything could be checked"
	}
	fmt.Fprintf(b, "\n%s\n\n  seed %d   users %s-u1 …   %s from %s   memory %d MB\n", verdict, r.Seed, r.Prefix,
		time.Duration(float64(r.Elapsed)*float64(time.Millisecond)).Round(100*time.Millisecond), r.Started.UTC().Format(time.DateTime)+" UTC", r.MemoryPeakMB)
}

func plural(n int64, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return thousands(n) + " " + many
}

// row is two names with their counts.
type row struct {
	left   string
	n      int64
	right  string
	number int64
}

func table(b *strings.Builder, title string, rows []row) {
	fmt.Fprintf(b, "\n%s\n", title)
	for _, r := range rows {
		fmt.Fprintf(b, "  %-22s %12s     %-26s %12s\n", r.left, thousands(r.n), r.right, thousands(r.number))
	}
}

// thousands writes a number in groups of three.
func thousands(n int64) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func (r *Report) writeTimes(b *strings.Builder) {
	fmt.Fprintf(b, "\n%-24s %12s %10s %10s %10s %10s\n", "Times, ms", "count", "p50", "p90", "p99", "max")
	for _, t := range []struct {
		name string
		Latency
	}{{"send to answer", r.Send}, {"commit to push", r.Push}, {"event to webhook", r.Webhook}, {"lost to welcome", r.Reconnect}} {
		if t.Count == 0 && t.name == "event to webhook" {
			continue
		}
		fmt.Fprintf(b, "  %-22s %12s %10.1f %10.1f %10.1f %10.1f\n", t.name, thousands(t.Count), t.P50, t.P90, t.P99, t.Max)
	}
	fmt.Fprintf(b, "  the longest without a connection %.1f s, without an answer to a send %.1f s\n", r.MaxOutage/1000, r.MaxUnanswered/1000)
}

func (r *Report) writeFaults(b *strings.Builder) {
	fmt.Fprint(b, "\nFaults seen, and got over\n")
	if len(r.Faults) == 0 {
		fmt.Fprint(b, "  none\n")
	}
	names := slices.SortedFunc(maps.Keys(r.Faults), func(x, y string) int {
		return cmp.Or(cmp.Compare(r.Faults[y], r.Faults[x]), cmp.Compare(x, y))
	})
	for _, name := range names {
		fmt.Fprintf(b, "  %-30s %s\n", name, fmt.Sprintf("%12s", thousands(r.Faults[name])))
	}
}

func (r *Report) writeUnfinished(b *strings.Builder) {
	if len(r.Unfinished) == 0 {
		return
	}
	fmt.Fprint(b, "\nNot checked\n")
	for _, what := range r.Unfinished[:min(len(r.Unfinished), shownUnfinished)] {
		fmt.Fprintf(b, "  %s\n", what)
	}
}

func (r *Report) writeBreaches(b *strings.Builder) {
	if r.BreachCount == 0 {
		return
	}
	fmt.Fprintf(b, "\nBreaches: %s", thousands(r.BreachCount))
	for _, kind := range slices.Sorted(maps.Keys(r.ByInvariant)) {
		fmt.Fprintf(b, "   %s %s", kind, thousands(r.ByInvariant[kind]))
	}
	fmt.Fprintln(b)
	shown := map[string]int64{}
	for _, x := range r.Breaches {
		if shown[x.Invariant] == shownBreaches {
			continue
		}
		shown[x.Invariant]++
		fmt.Fprintf(b, "\n  %-7s %s\n", x.Invariant, x.Text)
		fmt.Fprintf(b, "          %s   %s\n", x.At.Format("15:04:05.000"), x.Client)
		if x.ConversationID != "" {
			fmt.Fprintf(b, "          %s:%d   %s\n", x.ConversationID, x.Seq, x.ClientMsgID)
		}
	}
	more := r.BreachCount
	for _, n := range shown {
		more -= n
	}
	if more > 0 {
		fmt.Fprintf(b, "\n  … and %s more\n", thousands(more))
	}
}
