package bench

import "slices"

// Metric is one measured value.
type Metric struct {
	Name  string  `json:"name"`
	Unit  string  `json:"unit"`
	Value float64 `json:"value"`
}

// medians returns the median of each metric over all runs, in the order in which
// the metrics first appear.
func medians(runs [][]Metric) []Metric {
	var names []Metric
	values := map[string][]float64{}
	for _, run := range runs {
		for _, m := range run {
			if values[m.Name] == nil {
				names = append(names, m)
			}
			values[m.Name] = append(values[m.Name], m.Value)
		}
	}
	for i, m := range names {
		names[i].Value = median(values[m.Name])
	}
	return names
}

// median returns the median. Of an even number of values it is the mean of the middle
// two.
func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	if n == 0 {
		return 0
	}
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// find returns the value of the metric with that name.
func find(metrics []Metric, name string) (float64, bool) {
	for _, m := range metrics {
		if m.Name == name {
			return m.Value, true
		}
	}
	return 0, false
}
