package settings

import (
	"math"
	"slices"
)

// Nearest returns the candidate with the least edit distance to name.
func Nearest(name string, candidates []string) (found string) {
	least := math.MaxInt
	for _, candidate := range candidates {
		if d := editDistance(name, candidate); d < least {
			found, least = candidate, d
		}
	}
	return found
}

// editDistance returns the number of insertions, deletions and replacements of a byte
// that turn a into b (the Levenshtein distance).
func editDistance(a, b string) int {
	row := make([]int, len(b)+1) // distances of a's prefix to the prefixes of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = slices.Min([]int{replace, row[j] + 1, diagonal + 1})
		}
	}
	return row[len(b)]
}
