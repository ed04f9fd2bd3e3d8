package hosts

import (
	"errors"
	"strings"

	"doorward/acl"
)

// Bounds on pattern files, which may name others.
const (
	maxDepth = 100   // a file in a file in a file
	maxFiles = 10000 // all of them
	maxWord  = 8190  // bytes of a pattern; libwrap overflows its buffer there
)

var (
	errItself   = errors.New("the file includes itself; once is enough")
	errDeep     = errors.New("files nested too deep")
	errFiles    = errors.New("too many pattern files")
	errBig      = errors.New("more than 64 MiB")
	errLongWord = errors.New("pattern longer than 8190 bytes")
)

// A patternFile is what a /file pattern stands for: host patterns one after the
// other, without users, EXCEPT or comments.
type patternFile struct {
	name  string
	parts []part
	run   netRun       // the prefixes at the end of what has been read, not yet in parts
	flat  []*[]pattern // its own patterns and those of the files it names
	err   error        // why it could not be read
	open  bool         // being read: whoever names it now is in it
}

// A part is a run of patterns, or the file named there.
type part struct {
	patterns []pattern
	file     *patternFile
}

// match looks through the patterns in order. A file that could not be read
// matches nobody, as in libwrap.
func (f *patternFile) match(s *subject, h *host, except bool) bool {
	if f.err != nil {
		s.notes = append(s.notes, acl.Note{Pos: s.r.At, Text: "open " + f.name + ": " + f.err.Error()})
	}
	for _, patterns := range f.flat {
		for i := range *patterns {
			if (*patterns)[i].match(s, h, except) {
				return true
			}
		}
	}
	return false
}

// patternFile returns the file of that name, reading it the first time.
func (c *compiler) patternFile(name string) *patternFile {
	if f := c.files[name]; f != nil {
		if f.open {
			c.bad(name, errItself)
		}
		return f
	}
	f := &patternFile{name: name, open: true}
	if len(c.files) >= maxFiles {
		c.exceed(name, errFiles)
		return f
	}
	if c.files == nil {
		c.files = make(map[string]*patternFile)
	}
	c.files[name] = f
	c.order = append(c.order, name)
	c.readFile(f)
	f.flat = f.flatten(nil, map[*patternFile]bool{})
	f.open = false
	return f
}

// readFile reads and compiles f. Messages about its words bear its name.
func (c *compiler) readFile(f *patternFile) {
	if c.depth >= maxDepth {
		c.exceed(f.name, errDeep)
		return
	}
	src, err := c.read(f.name)
	if err != nil {
		c.unreadable(f, err)
		return
	}
	if c.size += len(src); c.size > maxTable {
		c.exceed(f.name, errBig)
		return
	}
	pos := c.pos
	c.depth++
	c.pos = acl.Pos{File: f.name}
	for line := range strings.SplitSeq(src, "\n") {
		c.pos.Line++
		c.fileLine(f, line)
	}
	f.endRun()
	c.pos = pos
	c.depth--
}

// fileLine compiles the words of a line of f.
func (c *compiler) fileLine(f *patternFile, line string) {
	c.lintFileLine(line, kindsIn(line))
	for tok, has := range fileWords(line) {
		if !c.counted() {
			return
		}
		if len(tok) > maxWord {
			c.bad(tok[:40], errLongWord)
			continue
		}
		if tok[0] == '/' {
			f.endRun() // that file may name f, and must find all of it so far
		}
		var p pattern
		c.hostPattern(&p, tok, has)
		if p.plainNet() && !c.compat.plain {
			f.run.add(p.net)
			continue
		}
		f.endRun()
		f.add(p)
	}
}

// add appends a pattern to the last part, or as a part of its own.
func (f *patternFile) add(p pattern) {
	if len(f.parts) == 0 || f.parts[len(f.parts)-1].file != nil || p.file != nil {
		f.parts = append(f.parts, part{file: p.file})
	}
	if p.file == nil {
		last := &f.parts[len(f.parts)-1]
		last.patterns = append(last.patterns, p)
	}
}

// endRun appends what a run of prefixes comes to. Order matters only around
// patterns that ask for something, and a prefix asks for nothing.
func (f *patternFile) endRun() {
	for _, p := range f.run.patterns() {
		f.add(p)
	}
	f.run = netRun{}
}

// unreadable notes why f could not be read. libwrap says nothing about one that
// is not there or is a directory, and takes it for empty.
func (c *compiler) unreadable(f *patternFile, err error) {
	if errors.Is(err, ErrNoFile) {
		c.warn("FILE", f.name, "no such file: it matches nobody, and a list of offenders that is not there lets them in")
		return
	}
	f.err = err
	c.bad(f.name, err)
}

// flatten appends the patterns of f and of all files in it. Patterns only ever
// add to each other, so a file that was there before is left out: this is what
// keeps files that name each other from going round in circles, and files that
// name files twice from doubling at every step.
func (f *patternFile) flatten(flat []*[]pattern, seen map[*patternFile]bool) []*[]pattern {
	if seen[f] {
		return flat
	}
	seen[f] = true
	for i := range f.parts {
		if in := f.parts[i].file; in != nil {
			flat = in.flatten(flat, seen)
		} else {
			flat = append(flat, &f.parts[i].patterns)
		}
	}
	return flat
}
