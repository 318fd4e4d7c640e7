package hint

import "strings"

// DidYouMean returns the hint for a word that nobody knows: which known ones it is nearest
// to, or otherwise if it is like none of them.
func DidYouMean(word string, known []string, otherwise string) string {
	if near := Near(word, known); len(near) > 0 {
		return "did you mean " + strings.Join(near, " or ") + "?"
	}
	return otherwise
}

// Near returns the known words of which a misspelt one is most likely a misspelling: those
// with the fewest letters that are missing, surplus, wrong or exchanged with the next one, if
// these are no more than a third of its letters. A word of three or more letters that begins
// only one known word means that one.
func Near(word string, known []string) (near []string) {
	fewest := max(1, len([]rune(word))/3) + 1
	for _, k := range known {
		if k == word {
			continue // it is known, and wrong for another reason
		}
		switch n := misspellings(strings.ToLower(word), strings.ToLower(k)); {
		case n < fewest:
			fewest, near = n, []string{k}
		case n == fewest && len(near) > 0:
			near = append(near, k)
		}
	}
	if len(near) > 0 || len(word) < 3 {
		return near
	}
	for _, k := range known {
		if strings.HasPrefix(k, word) {
			near = append(near, k)
		}
	}
	if len(near) != 1 {
		return nil
	}
	return near
}

// misspellings counts the letters in which two words differ. Two that are exchanged with each
// other count once (the optimal string alignment distance).
func misspellings(from, to string) int {
	a, b := []rune(from), []rune(to)
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range b {
		rows[0][j+1] = j + 1
	}
	for i := range a {
		for j := range b {
			wrong := 1
			if a[i] == b[j] {
				wrong = 0
			}
			n := min(rows[i][j+1]+1, rows[i+1][j]+1, rows[i][j]+wrong)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				n = min(n, rows[i-1][j-1]+1)
			}
			rows[i+1][j+1] = n
		}
	}
	return rows[len(a)][len(b)]
}
