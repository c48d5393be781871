package bench

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// Write prints the medians, a table for each work.
func (r Report) Write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	for i, result := range r.Results {
		if i == 0 || r.Results[i-1].Work != result.Work {
			if i > 0 {
				fmt.Fprintln(t)
			}
			writeHeads(t, result)
		}
		cells := []string{result.Case}
		for _, m := range result.Median {
			cells = append(cells, number(m.Value))
		}
		if result.OfLimit > 0 {
			cells = append(cells, fmt.Sprintf("%.0f%%", 100*result.OfLimit))
		}
		fmt.Fprintln(t, strings.Join(cells, "\t")+"\t")
	}
	return t.Flush()
}

func writeHeads(w io.Writer, result Result) {
	names, units := []string{result.Work}, []string{""}
	for _, m := range result.Median {
		names, units = append(names, m.Name), append(units, m.Unit)
	}
	if result.OfLimit > 0 {
		names, units = append(names, "of limit"), append(units, "")
	}
	fmt.Fprintln(w, strings.Join(names, "\t")+"\t")
	fmt.Fprintln(w, strings.Join(units, "\t")+"\t")
}

// number keeps three digits that mean something.
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

// oneLine is for the progress.
func oneLine(metrics []Metric) string {
	var parts []string
	for _, m := range metrics {
		parts = append(parts, m.Name+" "+number(m.Value)+unitOf(m))
	}
	return strings.Join(parts, ", ")
}
