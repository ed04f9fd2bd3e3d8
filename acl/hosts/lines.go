package hosts

import (
	"errors"
	"iter"
	"slices"
	"strings"
)

// Bounds on a table. libwrap's own line limit is legacyLine; ours is there so
// that a table that is no table ends somewhere.
const (
	legacyLine = 2047     // bytes of a logical line with its newline
	maxLine    = 64 << 10 // likewise, ours
	maxTable   = 64 << 20 // bytes of a table, and of all its pattern files
	maxWords   = 1 << 20  // of a table and its pattern files, some 200 bytes of memory each
)

var (
	errNoNewline = errors.New("no newline at the end of the file")
	errLongLine  = errors.New("line longer than 2047 bytes")
	errTooLong   = errors.New("line longer than 64 KiB")
	errNUL       = errors.New("NUL byte: the rest of the line is lost, and the next one joined to it")
)

// A reader cuts a table into logical lines: physical lines joined where a
// backslash comes right before the newline. Both are dropped and nothing takes
// their place.
type reader struct {
	src  string
	line int // physical lines read
	text string

	has             kinds // in the line
	noNewline, long bool  // what is odd about it
	tooLong         bool  // it is longer than maxLine; the table ends here
}

// next reads a logical line into r.text, without its newline.
func (r *reader) next() bool {
	r.text, r.has, r.noNewline, r.long = "", 0, false, false
	var joined []byte // once there is more than one piece
	n, more := 0, true
	for pieces := 0; more && r.src != ""; pieces++ {
		var piece string
		size := 0
		piece, size, more = r.piece()
		r.long = r.long || n+size > legacyLine
		n += len(piece)
		if n > maxLine {
			r.tooLong, r.text = true, piece[:min(len(piece), 40)]
			return true
		}
		if pieces == 0 && !more {
			r.text = piece
			return true
		}
		joined = append(joined, piece...)
	}
	if more && len(joined) > 0 { // the file ended within the line
		r.noNewline = true
	}
	r.text = string(joined)
	return len(joined) > 0 || !more
}

// piece reads a physical line: what counts of it, how many bytes libwrap needs
// for it, and whether the next line is part of the logical one.
func (r *reader) piece() (text string, size int, more bool) {
	text, rest, found := strings.Cut(r.src, "\n")
	r.src = rest
	r.line++
	r.has |= kindsIn(text)
	if r.has.any(nul) {
		if i := strings.IndexByte(text, 0); i >= 0 {
			return text[:i], i, true
		}
	}
	if !found {
		return text, len(text), true
	}
	if strings.HasSuffix(text, `\`) {
		return text[:len(text)-1], len(text) + 1, true
	}
	return text, len(text) + 1, false
}

// cutField cuts s at the first sep that is not within brackets. The brackets
// are counted, not paired: "[[" hides everything after it.
func cutField(s string, sep byte) (before, after string, found bool) {
	depth := 0
	for i := range len(s) {
		switch c := s[i]; {
		case c == '[':
			depth++
		case c == ']':
			depth--
		case c == sep && depth == 0:
			return s[:i], s[i+1:], true
		}
	}
	return s, "", false
}

// blank reports whether c separates words in a table.
func blank(c byte) bool { return kindOf(c) == space }

// words cuts a list into its words, and calls yield for each, with the kinds of
// its bytes.
func words(s string, yield func(word string, has kinds)) {
	for i := 0; i < len(s); i++ {
		start := i
		var has kinds
		for ; i < len(s) && !kindOf(s[i]).any(separator); i++ {
			has |= kindOf(s[i])
		}
		if i > start {
			yield(s[start:i], has)
		}
	}
}

// fileWords cuts a line of a pattern file into its words, each with the kinds of
// its bytes. Commas do not separate there, and two more blanks do.
func fileWords(s string) iter.Seq2[string, kinds] {
	return func(yield func(string, kinds) bool) {
		for i := 0; i < len(s); i++ {
			start := i
			var has kinds
			for ; i < len(s) && !blank(s[i]) && s[i] != '\v' && s[i] != '\f'; i++ {
				has |= kindOf(s[i])
			}
			if i > start && !yield(s[start:i], has) {
				return
			}
		}
	}
}

// fold reports whether s is word, which is in lower case, in whatever case.
func fold(s, word string) bool {
	if len(s) != len(word) {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if 'A' <= c && c <= 'Z' {
			c += 'a' - 'A'
		}
		if c != word[i] {
			return false
		}
	}
	return true
}

func foldAny(s string, words ...string) bool {
	return slices.ContainsFunc(words, func(w string) bool { return fold(s, w) })
}

// lower is strings.ToLower for ASCII alone, as strcasecmp(3) has it: the Kelvin
// sign is no k. It does not copy what is lower case already.
func lower(s string) string {
	i := 0
	for i < len(s) && (s[i] < 'A' || s[i] > 'Z') {
		i++
	}
	if i == len(s) {
		return s
	}
	b := []byte(s)
	for ; i < len(b); i++ {
		if 'A' <= b[i] && b[i] <= 'Z' {
			b[i] += 'a' - 'A'
		}
	}
	return string(b)
}
