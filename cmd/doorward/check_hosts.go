package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"doorward/acl"
	"doorward/acl/hosts"
	"doorward/cmd/internal/question"
	"doorward/launcher/lookup"
	"doorward/launcher/rules"
)

// Bounds on the look-ups of a check. Most of their time is waiting for DNS
// servers, and a list of thousands of names must not wait for each in turn.
const (
	resolveTime  = time.Minute     // for all names together
	resolveEach  = 5 * time.Second // for one name
	resolveLanes = 32              // at a time
)

// A hostWord is a pattern for hosts in a table or in a file that it names.
type hostWord struct {
	pos    acl.Pos
	word   string
	server bool // it stands behind the @ of a daemon
}

// hostWords calls yield for every pattern for hosts, and for those of pattern
// files as if each file was there once.
func hostWords(tables []*hosts.Rules) iter.Seq[hostWord] {
	return func(yield func(hostWord) bool) {
		for _, t := range tables {
			for rule := range t.All {
				for _, w := range rule.Daemons {
					if strings.Contains(w.Text[1:], "@") && !yield(hostWord{rule.Pos, w.Host, true}) {
						return
					}
				}
				for _, w := range rule.Clients {
					if !yield(hostWord{rule.Pos, w.Host, false}) {
						return
					}
				}
			}
		}
		fileWords(tables, yield)
	}
}

// fileWords does so for pattern files. One that cannot be read has been
// reported already.
func fileWords(tables []*hosts.Rules, yield func(hostWord) bool) {
	seen := map[string]bool{}
	for _, t := range tables {
		for _, name := range t.Files() {
			if seen[name] {
				continue
			}
			seen[name] = true
			src, _ := rules.ReadFile(name)
			pos := acl.Pos{File: name}
			for line := range strings.Lines(string(src)) {
				pos.Line++
				for _, word := range strings.Fields(line) {
					if !yield(hostWord{pos, word, false}) {
						return
					}
				}
			}
		}
	}
}

// isHost reports whether a pattern is a host rather than many: an IPv4 address
// or something that the resolver can be asked about.
func isHost(word string) bool {
	if word == "" || isReserved(word) || strings.ContainsAny(word, "/@*?[]:") || word[0] == '.' || strings.HasSuffix(word, ".") {
		return false
	}
	_, err := netip.ParseAddr(word)
	return err == nil || strings.Trim(word, "0123456789.") != "" // other numbers are no hosts: the parser warns of them
}

// A trouble is what is wrong with a host, wherever it is named.
type trouble struct{ code, text string }

// resolve looks up every host that the tables name, each once, and notes what
// is wrong with it wherever it stands.
func (c *checker) resolve(tables []*hosts.Rules) {
	var words []string
	uses := map[string][]hostWord{}
	for h := range hostWords(tables) {
		if !isHost(h.word) {
			continue
		}
		if uses[h.word] == nil {
			words = append(words, h.word)
		}
		uses[h.word] = append(uses[h.word], h)
	}
	ctx, cancel := context.WithTimeout(context.Background(), resolveTime)
	defer cancel()
	troubles, left := examineAll(ctx, words, newProgress(os.Stderr, len(words)))
	for i, word := range words {
		for _, use := range uses[word] {
			for _, t := range troubles[i] {
				if t.code != "ADDRESSES" || use.server {
					c.warn(use.pos, t.code, word, t.text)
				}
			}
		}
	}
	if left > 0 {
		c.found = append(c.found, finding{text: fmt.Sprintf("%d of %d hosts could not be looked up within %v [TIMEOUT]", left, len(words), resolveTime)})
	}
}

// examineAll examines hosts side by side until ctx ends, and returns the
// troubles of each and how many are left.
func examineAll(ctx context.Context, words []string, p *progress) (troubles [][]trouble, left int) {
	troubles = make([][]trouble, len(words))
	var next, done atomic.Int64
	var wg sync.WaitGroup
	for range min(resolveLanes, len(words)) {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < len(words); i = int(next.Add(1)) - 1 {
				found := examine(ctx, words[i])
				if ctx.Err() != nil {
					return // what was found may be for want of time
				}
				troubles[i] = found
				p.show(int(done.Add(1)))
			}
		})
	}
	wg.Wait()
	p.end()
	return troubles, len(words) - int(done.Load())
}

// examine looks up one host: its addresses, and the names that these have for
// whoever looks at clients.
func examine(ctx context.Context, word string) (found []trouble) {
	ctx, cancel := context.WithTimeout(ctx, resolveEach)
	defer cancel()
	if a, err := netip.ParseAddr(word); err == nil {
		return examineName(ctx, a)
	}
	official, addrs, err := (lookup.System{}).Addrs(ctx, word)
	switch {
	case errors.Is(err, lookup.ErrAbsent):
		return []trouble{{"NO-HOST", "host not found: no client has this name"}}
	case err != nil:
		return []trouble{{"NO-HOST", "host not found: " + err.Error()}}
	case !strings.EqualFold(official, word):
		found = append(found, trouble{"ALIAS", "hostname alias: clients are known by the official name, " + official})
	}
	if len(addrs) > 1 {
		found = append(found, trouble{"ADDRESSES", "host has more than one address: consider using an address instead"})
	}
	for _, a := range addrs {
		found = append(found, examineName(ctx, a)...)
	}
	return found
}

// examineName looks up the name of an address as for a client.
func examineName(ctx context.Context, a netip.Addr) (found []trouble) {
	name := question.NameOf(ctx, a, func(text string) { found = append(found, trouble{"FORGED", text}) })
	if name == "" {
		found = append(found, trouble{"NO-NAME", "host address " + a.String() + "->name lookup failed: to the rules, its name is unknown"})
	}
	return found
}
