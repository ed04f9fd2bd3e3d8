package hosts

// A list is the daemons or the clients of a rule: groups of tokens with EXCEPT
// between them.
type list[T token] [][]T

// A token is one word of a list.
type token interface {
	// match reports whether the token matches. Behind an odd number of EXCEPTs
	// (except) a match speaks against the list, not for it.
	match(s *subject, except bool) bool
	String() string
}

// match evaluates a EXCEPT b EXCEPT c as a and not (b and not c). Within a
// group the first token that matches ends the search, so the groups that match
// one after the other are counted: an odd number of them is a match.
func (l list[T]) match(s *subject) bool {
	n := 0
	for _, group := range l {
		if firstMatch(group, s, n%2 == 1) < 0 {
			break
		}
		n++
	}
	return n%2 == 1
}

// why says in words what match came to.
func (l list[T]) why(s *subject) string {
	text := ""
	for n, group := range l {
		i := firstMatch(group, s, n%2 == 1)
		if i < 0 {
			break
		}
		if n > 0 {
			text += ", except "
		}
		text += group[i].String()
	}
	return text
}

func firstMatch[T token](group []T, s *subject, except bool) int {
	for i, t := range group {
		if t.match(s, except) {
			return i
		}
	}
	return -1
}

// groups cuts the words of a list at its EXCEPTs.
func groups(s string) [][]string {
	var gs [][]string
	var g []string
	words(s, func(w string) {
		if len(w) == len("except") && lower(w) == "except" {
			gs = append(gs, g)
			g = nil
			return
		}
		g = append(g, w)
	})
	return append(gs, g)
}
