package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Write prints the medians, one table for each workload.
func (r Report) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for rest := r.Results; len(rest) > 0; {
		n := 1
		for n < len(rest) && rest[n].Workload == rest[0].Workload {
			n++
		}
		if len(rest) < len(r.Results) {
			fmt.Fprintln(t)
		}
		writeTable(t, rest[:n])
		rest = rest[n:]
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, result := range r.Results {
		if result.Timeline != nil {
			if err := result.Timeline.write(w, result.Workload+", "+result.Case); err != nil {
				return err
			}
		}
	}
	return nil
}

// writeTable prints the cases of one workload. The cell of a metric that a case lacks
// is empty.
func writeTable(w io.Writer, cases []Result) {
	var all [][]Metric
	shares := false
	for _, c := range cases {
		all = append(all, c.Median)
		shares = shares || c.OfLimit > 0
	}
	columns := medians(all) // for their names
	names, units := []string{cases[0].Workload}, []string{""}
	for _, m := range columns {
		names, units = append(names, m.Name), append(units, m.Unit)
	}
	if shares {
		names, units = append(names, "of_limit"), append(units, "%")
	}
	writeRow(w, names)
	writeRow(w, units)
	for _, c := range cases {
		cells := []string{c.Case}
		for _, m := range columns {
			cell := ""
			if v, ok := find(c.Median, m.Name); ok {
				cell = number(v)
			}
			cells = append(cells, cell)
		}
		if shares {
			cells = append(cells, fmt.Sprintf("%.0f", 100*c.OfLimit))
		}
		writeRow(w, cells)
	}
}

func writeRow(w io.Writer, cells []string) { fmt.Fprintln(w, strings.Join(cells, "\t")+"\t") }

// number formats v with three significant digits.
func number(v float64) string {
	switch {
	case v == float64(int64(v)):
		return strconv.FormatInt(int64(v), 10)
	case v >= 100 || v <= -100:
		return strconv.FormatFloat(v, 'f', 0, 64)
	case v >= 10:
		return strconv.FormatFloat(v, 'f', 1, 64)
	default:
		return strconv.FormatFloat(v, 'f', 2, 64)
	}
}

func unitOf(m Metric) string {
	if m.Unit == "" {
		return ""
	}
	return " " + m.Unit
}

// oneLine formats metrics for a line of progress.
func oneLine(metrics []Metric) string {
	var parts []string
	for _, m := range metrics {
		parts = append(parts, m.Name+" "+number(m.Value)+unitOf(m))
	}
	return strings.Join(parts, ", ")
}
