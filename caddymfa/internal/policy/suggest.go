package policy

import "strings"

// Suggest returns the word of known that is nearest to word, for error texts.
// It is false if none is near: more than a third of the letters of word would
// have to change (at least one may). Case does not count; of equally near words
// the first one wins.
func Suggest(word string, known []string) (string, bool) {
	if len(word) > 64 {
		return "", false // no slip of the finger, and it bounds the work
	}
	best, limit := "", max(1, len(word)/3)
	for _, candidate := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(candidate)); d <= limit {
			best, limit = candidate, d-1
		}
	}
	return best, best != ""
}

// distance counts the bytes to insert, delete, change or swap with their
// neighbour to turn a into b (optimal string alignment).
func distance(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			change := last[j]
			if a[i] != b[j] {
				change++
			}
			row[j+1] = min(change, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}
