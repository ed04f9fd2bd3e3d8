package xinetd

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"doorward/acl"
)

const (
	maxDepth = 16   // files that include files
	maxFiles = 1024 // of a configuration
)

var (
	errCycle = errors.New("includes itself")
	errDeep  = fmt.Errorf("more than %d files deep", maxDepth)
	errMany  = fmt.Errorf("more than %d files", maxFiles)
	errPlain = errors.New("not a regular file")
)

func (p *parser) includeLine(pos acl.Pos, words []string) {
	switch {
	case len(words) > 2 && words[2][0] == '#':
		p.warn(pos, words[2], "read as a comment")
	case len(words) != 2:
		p.tear(pos, words[0], errOneFile)
		return
	}
	if strings.EqualFold(words[0], "include") {
		p.include(pos, words[1])
	} else {
		p.includeDir(pos, words[1])
	}
}

// include reads a file as a configuration of its own. One that cannot be read
// is a mistake; what is in the others counts.
func (p *parser) include(pos acl.Pos, name string) {
	switch {
	case slices.Contains(p.open, path.Clean(name)):
		p.tear(pos, name, errCycle)
		return
	case len(p.open) >= maxDepth:
		p.tear(pos, name, errDeep)
		return
	case len(p.config.files) >= maxFiles:
		p.tear(pos, name, errMany)
		return
	}
	p.config.files = append(p.config.files, name)
	src, err := p.host.FS.ReadFile(name)
	if err != nil {
		p.tear(pos, name, reason(err))
		return
	}
	p.open = append(p.open, path.Clean(name))
	p.parse(name, string(src))
	p.open = p.open[:len(p.open)-1]
}

// includeDir reads the files of a directory in the order of their names, byte
// by byte. Names with a dot anywhere or a ~ at the end are those of package
// managers and editors.
func (p *parser) includeDir(pos acl.Pos, dir string) {
	p.config.dirs = append(p.config.dirs, dir)
	entries, err := p.host.FS.ReadDir(dir)
	if err != nil {
		p.tear(pos, dir, reason(err))
		return
	}
	entries = slices.SortedFunc(slices.Values(entries), func(a, b fs.DirEntry) int { return cmp.Compare(a.Name(), b.Name()) })
	for _, e := range entries {
		if strings.Contains(e.Name(), ".") || strings.HasSuffix(e.Name(), "~") {
			continue
		}
		name := strings.TrimRight(dir, "/") + "/" + e.Name()
		info, err := p.host.FS.Stat(name)
		switch {
		case err != nil:
			p.tear(pos, name, reason(err))
		case info.IsDir():
			p.warn(pos, name, "a directory, not read")
		case !info.Mode().IsRegular():
			p.tear(pos, name, errPlain)
		default:
			p.include(pos, name)
		}
	}
}

// reason takes the name of the file off an error that will be told with it.
func reason(err error) error {
	var e *fs.PathError
	if errors.As(err, &e) {
		return e.Err
	}
	return err
}
