package acl_test

import (
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Nothing below acl does I/O or reads a clock: every import is on this list.
// package net is here for acl/cidr alone, because cidranger speaks net.IP.
func TestNoIO(t *testing.T) {
	pure := []string{"bytes", "cmp", "encoding/binary", "errors", "fmt", "iter", "maps", "math", "math/bits", "net/netip",
		"slices", "sort", "strconv", "strings", "sync", "sync/atomic", "unicode", "unsafe", "hash/maphash"}
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, im := range f.Imports {
			name, _ := strconv.Unquote(im.Path.Value)
			ours := strings.HasPrefix(name, "doorward/acl")
			trie := filepath.Dir(path) == "cidr" && (name == "net" || name == "github.com/yl2chen/cidranger")
			if !ours && !trie && !slices.Contains(pure, name) {
				t.Errorf("%s imports %s", path, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
